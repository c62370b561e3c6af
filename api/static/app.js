// Makes pages live. Everything works without it; each module adds one thing.
import { start as clocks } from "./clocks.js";
import { start as drafts } from "./drafts.js";
import { start as forms } from "./forms.js";
import { start as keys } from "./keys.js";
import { start as live } from "./live.js";
import { start as log } from "./log.js";
import { start as picks } from "./picks.js";
import { start as preview } from "./preview.js";
import { start as rows } from "./rows.js";
import { start as screens } from "./screens.js";
import { start as swap, prepare } from "./swap.js";
import { start as zoom } from "./zoom.js";

const zone = Intl.DateTimeFormat().resolvedOptions().timeZone;
if (zone) document.cookie = `windlass_zone=${encodeURIComponent(zone)}; path=/; max-age=31536000; samesite=lax`;
prepare(document);
clocks();
swap();
forms();
drafts();
log();
live();
picks();
preview();
rows();
screens();
zoom();
keys();

// Forms that say what they mean while one types: data-preview is the address that draws it.
import { changed, morph } from "./swap.js";

const QUIET_MS = 150;
const SECRET = new Set(["csrf_token", "once"]); // never part of an address

function watch(form) {
  let timer, asked = 0;
  form.dataset.watched = "";
  form.addEventListener("input", () => {
    clearTimeout(timer);
    timer = setTimeout(async () => {
      const mine = ++asked;
      const pairs = [...new FormData(form)].filter(([name, value]) => !SECRET.has(name) && typeof value === "string" && !name.startsWith("in-"));
      const answer = await fetch(`${form.dataset.preview}?${new URLSearchParams(pairs)}`, { credentials: "same-origin" }).catch(() => null);
      if (!answer?.ok || mine !== asked) return;
      const next = new DOMParser().parseFromString(await answer.text(), "text/html").body.firstElementChild;
      const here = next && document.getElementById(next.id);
      if (here) morph(here, next);
    }, QUIET_MS);
  });
}

export function start() {
  const all = () => document.querySelectorAll("form[data-preview]:not([data-watched])").forEach(watch);
  all();
  changed(all);
}

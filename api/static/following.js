// What the processes of a service print, while their page is seen: asked for anew every two seconds, for an hour at most.
import { morph } from "./swap.js";

const PAUSE_MS = 2000, SLOW_MS = 15_000, MOST_MS = 3_600_000, MOST_CHARACTERS = 1 << 19, NEAR = 24;
const hosts = document.getElementById("hosts"), said = document.getElementById("following"), button = document.getElementById("follow");
let until = 0, wait = PAUSE_MS, timer, asking = false;

const sections = (root) => [...root.querySelectorAll(":scope > section")];

/** Add what is new of one process; who reads further up stays there. */
function extend(old, next) {
  morph(old.querySelector("header"), next.querySelector("header"));
  const fresh = next.querySelector("pre"), box = old.querySelector("pre");
  if (!fresh) return void box?.querySelector("[data-rest]").replaceChildren();
  if (!box) {
    old.lastElementChild.replaceWith(fresh);
    return;
  }
  const atEnd = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR, rest = box.querySelector("[data-rest]"), piece = fresh.querySelector("[data-piece]");
  if (piece.textContent) rest.before(piece);
  rest.replaceChildren(...fresh.querySelector("[data-rest]").childNodes);
  while (box.textContent.length > MOST_CHARACTERS && box.querySelectorAll("[data-piece]").length > 1) box.querySelector("[data-piece]").remove();
  if (atEnd) box.scrollTop = box.scrollHeight;
}

function show(next) {
  const known = new Map(sections(hosts).map((each) => [each.id, each])), told = sections(next);
  if (!told.length) return void (known.size && hosts.replaceChildren(...next.childNodes));
  if (!known.size) hosts.replaceChildren();
  let at = hosts.firstElementChild;
  for (const each of told) {
    const old = known.get(each.id);
    if (old) extend(old, each);
    if (old && old === at) at = at.nextElementSibling;
    else hosts.insertBefore(old ?? each, at);
    known.delete(each.id);
  }
  for (const gone of known.values()) gone.remove();
}

function say(words, follows = true) {
  if (said.textContent !== words) said.textContent = words;
  button.setAttribute("aria-pressed", String(follows));
  button.querySelector("span").textContent = follows ? "Following" : "Follow";
}

function stop(words) {
  clearTimeout(timer);
  until = 0;
  say(words, false);
}

async function ask() {
  clearTimeout(timer);
  if (asking || document.hidden || !until) return;
  if (Date.now() > until) return stop("Not followed any more: an hour has passed");
  asking = true;
  const url = `${hosts.dataset.follow}?since=${encodeURIComponent(hosts.dataset.cursor)}`;
  const answer = await fetch(url, { headers: { accept: "text/html" }, credentials: "same-origin" }).catch(() => null);
  const text = answer?.ok && !answer.redirected ? await answer.text().catch(() => null) : null;
  asking = false;
  if (!until) return;
  if (text !== null) {
    const next = new DOMParser().parseFromString(text, "text/html").getElementById("hosts");
    show(next);
    hosts.dataset.cursor = next.dataset.cursor;
    wait = PAUSE_MS;
    say("");
  } else if (answer && answer.status < 500 && answer.status !== 429) return stop("Not followed any more: load the page anew");
  else {
    wait = Math.min(SLOW_MS, wait * 2);
    say("The gateway is away, it is asked again");
  }
  timer = setTimeout(ask, wait);
}

function begin() {
  until = Date.now() + MOST_MS;
  say("");
  timer = setTimeout(ask, PAUSE_MS);
}

for (const each of hosts.querySelectorAll("pre")) each.scrollTop = each.scrollHeight;
button.addEventListener("click", () => (until ? stop("") : begin()));
document.addEventListener("visibilitychange", ask);
addEventListener("pageshow", (event) => event.persisted && ask());
begin();

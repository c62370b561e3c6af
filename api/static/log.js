// The live log: follow and pause, wrap, search, older lines.
import { changed } from "./swap.js";

const MOST = 2000, NEAR = 24;
let following = true, held = [], steering = 0, ranges = [], place = -1, filter = "";

const lines = () => document.getElementById("lines");
const isLive = () => Boolean(document.querySelector("#log[data-live]"));
let ending = 0;

/** Scroll to the end, once per frame, when everything has been put in place. */
function toEnd() {
  ending ||= requestAnimationFrame(() => {
    ending = 0;
    const box = lines();
    if (box) box.scrollTop = 1e9;
  });
}

/** Take new lines: show them at the end, or count them while the log is paused. */
export function hold(fresh) {
  const box = lines();
  if (!box) return;
  held.push(...fresh);
  if (following) insert(box);
  draw();
}

/** Go on with a line that is still being written. */
export function write(id, text) {
  const line = document.getElementById(id) ?? held.find((each) => each.id === id);
  line?.lastElementChild.append(text);
  if (following && isLive()) toEnd();
}

function insert(box) {
  const shown = document.createDocumentFragment();
  for (const each of held) {
    const old = document.getElementById(each.id);
    if (each.hasAttribute("data-gone")) old?.remove();
    else if (old) old.replaceWith(each);
    else shown.append(each);
  }
  held = [];
  box.append(shown);
  if (box.childElementCount > MOST + 100) {
    const rows = box.querySelectorAll(".ln");
    for (let n = 0; n < rows.length - MOST; n++) rows[n].remove();
  }
  if (following && isLive()) toEnd();
  if (ranges.length) find(false);
}

function draw() {
  const button = document.querySelector("[data-act=follow][aria-pressed]"), bar = document.getElementById("resume");
  if (button) {
    button.setAttribute("aria-pressed", String(following));
    button.querySelector("span").textContent = following ? "Following" : "Follow";
  }
  if (!bar) return;
  bar.hidden = following;
  bar.textContent = held.length ? `Paused, ${held.length} new. To the end` : "Paused. To the end";
}

function follow(on) {
  following = on;
  const box = lines();
  if (on && box) {
    insert(box);
    toEnd();
  }
  draw();
}

function pause() {
  if (following && isLive()) follow(false);
}

function find(move) {
  const input = document.getElementById("log-search"), found = document.getElementById("log-found");
  const text = input?.value.toLowerCase() ?? "";
  ranges = [];
  if (text.length > 1 && lines()) {
    const walker = document.createTreeWalker(lines(), NodeFilter.SHOW_TEXT);
    for (let node; (node = walker.nextNode()); ) {
      const body = node.data.toLowerCase();
      for (let at = body.indexOf(text); at >= 0; at = body.indexOf(text, at + text.length)) {
        const range = new Range();
        range.setStart(node, at);
        range.setEnd(node, at + text.length);
        ranges.push(range);
      }
    }
  }
  CSS.highlights?.set("found", new Highlight(...ranges));
  if (move) step(0);
  else if (found) found.textContent = text.length > 1 ? `${ranges.length} found` : "";
}

function step(by) {
  const found = document.getElementById("log-found");
  if (ranges.length) {
    place = by ? (place + by + ranges.length) % ranges.length : ranges.length - 1;
    CSS.highlights?.set("here", new Highlight(ranges[place]));
    ranges[place].startContainer.parentElement?.closest(".ln")?.scrollIntoView({ block: "nearest" });
  }
  if (found) found.textContent = ranges.length ? `${place + 1} of ${ranges.length}` : document.getElementById("log-search").value.length > 1 ? "none" : "";
}

async function older(link) {
  const box = lines(), height = box.scrollHeight;
  link.removeAttribute("data-older");
  const answer = await fetch(link.href, { credentials: "same-origin" });
  if (!answer.ok) return;
  const next = new DOMParser().parseFromString(await answer.text(), "text/html");
  const fresh = [...next.querySelectorAll(".lines .ln")].filter((each) => !document.getElementById(each.id));
  link.after(...fresh);
  const before = next.getElementById("earlier");
  if (before) {
    link.href = before.href;
    link.setAttribute("data-older", "");
  } else link.remove();
  box.scrollTop += box.scrollHeight - height;
}

function onScroll(event) {
  const box = event.target;
  if (!steering || box.id !== "lines") return;
  const end = box.scrollHeight - box.scrollTop - box.clientHeight < NEAR;
  if (end && !following) follow(true);
  const link = document.querySelector("a[data-older]");
  if (link && box.scrollTop < 60) older(link);
}

/** Wire the log; it is looked up anew each time, because pages change in place. */
export function start() {
  const steer = (event) => {
    if (!event.target.closest?.("#lines")) return;
    steering = Date.now();
    if (event.type === "wheel" ? event.deltaY < 0 : event.type === "keydown" ? ["PageUp", "ArrowUp", "Home"].includes(event.key) : true) pause();
  };
  for (const type of ["wheel", "touchmove", "keydown"]) document.addEventListener(type, steer, { passive: true });
  document.addEventListener("pointerdown", (event) => {
    const box = event.target.closest?.("#lines");
    if (box && event.offsetX > box.clientWidth) steer(event); // the scroll bar
  });
  document.addEventListener("selectionchange", () => {
    const chosen = getSelection();
    if (!chosen.isCollapsed && lines()?.contains(chosen.anchorNode)) pause();
  });
  document.addEventListener("scroll", onScroll, { capture: true, passive: true });
  document.addEventListener("click", (event) => {
    const act = event.target.closest?.("[data-act]")?.dataset.act;
    if (act === "follow") follow(!following);
    if (act === "wrap") wrap(event.target.closest("[data-act]"));
    const link = event.target.closest?.("a[data-older]");
    if (link) {
      event.preventDefault();
      older(link);
    }
  });
  document.addEventListener("input", (event) => event.target.id === "log-search" && find(true));
  document.addEventListener("keydown", (event) => {
    if (event.target.id !== "log-search" || event.key !== "Enter" || event.ctrlKey) return;
    event.preventDefault();
    step(event.shiftKey ? 1 : -1);
  });
  document.addEventListener("keydown", (event) => event.key === "End" && !event.target.closest?.("input,textarea,select") && lines() && isLive() && follow(true));
  const fresh = () => {
    const shown = new URLSearchParams(location.search).get("kinds") ?? "";
    if (shown !== filter) held = [];
    filter = shown;
    const box = lines();
    if (box) box.classList.toggle("nowrap", localStorage.getItem("windlass_wrap") === "off");
    draw();
  };
  changed(fresh);
  fresh();
  if (!location.hash && following && isLive()) toEnd();
  else if (!location.hash && lines() && document.querySelector("#log:not([data-live])")) toEnd();
}

function wrap(button) {
  const off = !lines().classList.contains("nowrap");
  localStorage.setItem("windlass_wrap", off ? "off" : "on");
  lines().classList.toggle("nowrap", off);
  button.setAttribute("aria-pressed", String(!off));
}

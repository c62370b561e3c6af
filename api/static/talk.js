// A conversation: Enter sends without leaving the page, Ctrl Enter steers, Esc interrupts, the end stays in sight while one is there.
import { attaching } from "./attach.js";
import { changed } from "./swap.js";

const NEAR = 160;
let atEnd = true;
const composer = document.getElementById("composer");
const DRAFT = composer && `windlass-draft:${composer.dataset.keep}`; // signing out forgets it, as drafts.js does
const files = composer && attaching(composer, `${DRAFT}/files`);

const box = () => document.getElementById("content");
const column = document.querySelector("#session > .stack"); // on narrow screens more is below it
const end = () => Math.max(0, column.getBoundingClientRect().bottom + scrollY - innerHeight + parseFloat(getComputedStyle(document.body).paddingBottom));
const near = () => Math.abs(end() - scrollY) < NEAR;

// The browser's own wants a secure address, and a gateway may have none.
const uuid = () => "10000000-1000-4000-8000-100000000000".replace(/[018]/g, (c) => (c ^ (crypto.getRandomValues(new Uint8Array(1))[0] & (15 >> (c / 4)))).toString(16));
let unsure = {}; // what was sent and not answered: sent again it is the same message, for it may be there

function draft() { // an interrupt or an answer loads the page anew: what is being written stays
  try {
    if (box().value) sessionStorage.setItem(DRAFT, box().value);
    else sessionStorage.removeItem(DRAFT);
  } catch { sessionStorage.removeItem(DRAFT); } // no room: better none than half of one
}

function keep(text, why) {
  const place = document.querySelector("[data-unsent]");
  box().value = text + box().value;
  draft();
  place.querySelector("span").textContent = why;
  place.hidden = false;
}

function leave(form, body) { // the server says on a page what is wrong
  for (const name of ["id", "how"]) if (body.has(name)) form.append(Object.assign(document.createElement("input"), { type: "hidden", name, value: body.get(name) }));
  files.left();
  form.submit();
}

async function send(form, button) {
  const field = box(), text = field.value;
  if (!text.trim() || files.busy()) return;
  const body = new URLSearchParams(new FormData(form, button));
  if (unsure.text !== text) unsure = { text, id: uuid() };
  body.set("id", unsure.id);
  field.value = "";
  draft();
  document.querySelector("[data-unsent]").hidden = true;
  atEnd = true;
  const answer = await fetch(form.action, { method: "POST", body, redirect: "manual", credentials: "same-origin" }).catch(() => null);
  if (answer?.type === "opaqueredirect") {
    unsure = {};
    return files.clear();
  }
  if (answer?.status === 401) keep(text, "You are signed out. Sign in in another tab, then send it again.");
  else if (!answer || answer.status >= 500) keep(text, "The gateway is away. What you wrote is still here: send it again, it is said once.");
  else {
    field.value = text + field.value;
    leave(form, body);
  }
}

function onKey(event) {
  const form = document.getElementById("composer");
  if (event.key === "Escape") {
    const stop = document.querySelector("[data-interrupt]");
    if (stop && !document.querySelector("dialog[open]")) stop.closest("form").requestSubmit();
  } else if (event.target === box() && event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    event.stopPropagation();
    send(form, event.ctrlKey || event.metaKey ? form.querySelector("[value=steer]") : undefined);
  }
}

if (composer) {
  box().value ||= sessionStorage.getItem(DRAFT) ?? "";
  composer.addEventListener("input", draft);
}
document.addEventListener("keydown", onKey, { capture: true });
document.addEventListener("submit", (event) => {
  if (event.target.id !== "composer") return;
  event.preventDefault();
  send(event.target, event.submitter);
});
addEventListener("scroll", () => (atEnd = near()), { passive: true });
changed(() => atEnd && scrollTo(0, end()));
if (!location.hash) scrollTo(0, end());

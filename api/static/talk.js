// A conversation: Enter sends without leaving the page, Ctrl Enter steers, Esc interrupts, the end stays in sight while one is there.
import { attaching } from "./attach.js";
import { changed } from "./swap.js";

const NEAR = 160;
let atEnd = true;
const composer = document.getElementById("composer");
const files = composer && attaching(composer);

const box = () => document.getElementById("content");
const column = document.querySelector("#session > .stack"); // on narrow screens more is below it
const end = () => Math.max(0, column.getBoundingClientRect().bottom + scrollY - innerHeight + parseFloat(getComputedStyle(document.body).paddingBottom));
const near = () => Math.abs(end() - scrollY) < NEAR;

async function send(form, button) {
  const field = box(), text = field.value;
  if (!text.trim() || files.busy()) return;
  const body = new URLSearchParams(new FormData(form, button));
  field.value = "";
  atEnd = true;
  try {
    const answer = await fetch(form.action, { method: "POST", body, redirect: "manual", credentials: "same-origin" });
    if (answer.type === "opaqueredirect") return files.clear();
  } catch { /* the gateway is away: what was written is put back */ }
  field.value = text + field.value;
  form.submit();
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

document.addEventListener("keydown", onKey, { capture: true });
document.addEventListener("submit", (event) => {
  if (event.target.id !== "composer") return;
  event.preventDefault();
  send(event.target, event.submitter);
});
addEventListener("scroll", () => (atEnd = near()), { passive: true });
changed(() => atEnd && scrollTo(0, end()));
if (!location.hash) scrollTo(0, end());

// Forms with data-draft: what is filled in stays in this tab (sessionStorage) until it is sent, forgotten or signed out.
// Passwords and tokens never are part of it. A field that was changed and left is checked by the server (data-check).
import { tell } from "./swap.js";

const PREFIX = "windlass-draft:", SENT = "windlass-sent", QUIET_MS = 300;
const SECRET = new Set(["csrf_token", "once", "once-schedule"]);
const touched = new WeakSet();
let timer, asked = 0;

const drafted = () => document.querySelector("form[data-draft]");
const keyOf = (form) => PREFIX + form.dataset.draft;
const kept = () => Object.keys(sessionStorage).filter((each) => each.startsWith(PREFIX));

function pairs(form) {
  const hidden = new Set([...form.querySelectorAll("input[type=password]")].map((each) => each.name));
  return [...new FormData(form)].filter(([name, value]) => typeof value === "string" && !SECRET.has(name) && !hidden.has(name));
}

function keep(form) {
  try {
    sessionStorage.setItem(keyOf(form), String(new URLSearchParams(pairs(form))));
  } catch {
    sessionStorage.removeItem(keyOf(form)); // no room: better none than half of one
  }
}

function forget(keys) {
  clearTimeout(timer);
  if (drafted()) touched.delete(drafted()); // leaving the page keeps nothing
  for (const each of keys) sessionStorage.removeItem(each);
}

async function restore(form) {
  const person = keyOf(form).split("/")[0];
  for (const each of kept()) if (!each.startsWith(`${person}/`)) sessionStorage.removeItem(each); // somebody else's
  const draft = sessionStorage.getItem(keyOf(form));
  if (!draft || !("fresh" in form.dataset)) return;
  const body = new URLSearchParams(draft);
  body.set("draft", "1");
  body.set("csrf_token", form.elements.csrf_token.value);
  const answer = await fetch(form.action, { method: "POST", body, headers: { accept: "text/html" }, credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok || touched.has(form)) return; // who types already has begun anew
  const next = new DOMParser().parseFromString(await answer.text(), "text/html").getElementById(form.id);
  if (!next) return;
  form.replaceWith(next);
  tell();
}

async function check(form, control) {
  const box = control.closest(".field"), body = new URLSearchParams([...new FormData(form)].filter(([, value]) => typeof value === "string"));
  if (!box) return;
  const mine = (box.dataset.asked = String(++asked));
  body.set("check", control.name);
  const answer = await fetch(form.dataset.check, { method: "POST", body, credentials: "same-origin" }).catch(() => null);
  if (!answer?.ok || box.dataset.asked !== mine) return;
  const found = [...new DOMParser().parseFromString(await answer.text(), "text/html").body.children];
  for (const each of box.querySelectorAll(":scope > .wrong")) each.remove();
  box.append(...found);
  box.classList.toggle("has-wrong", found.length > 0);
  if (!found.length) return control.removeAttribute("aria-invalid");
  control.setAttribute("aria-invalid", "true");
  control.setAttribute("aria-describedby", found[0].id);
  document.getElementById("said").textContent = found[0].textContent;
}

function onLeave(event) {
  const control = event.target, form = control.form;
  if (!form?.dataset.check || !control.name || event.relatedTarget?.closest?.("button")) return; // sending checks all
  if (touched.has(control) || control.closest(".has-wrong")) check(form, control);
}

export function start() {
  const sent = sessionStorage.getItem(SENT);
  sessionStorage.removeItem(SENT);
  if (sent && /^\/(runs|schedules)\/./.test(location.pathname)) sessionStorage.removeItem(sent); // it became something
  document.addEventListener("focusout", onLeave);
  document.addEventListener("input", (event) => {
    const form = event.target.form;
    if (!form?.dataset.draft) return;
    touched.add(event.target).add(form);
    clearTimeout(timer);
    timer = setTimeout(() => keep(form), QUIET_MS);
  });
  document.addEventListener("submit", (event) => {
    clearTimeout(timer);
    if (event.target.dataset.draft) {
      keep(event.target);
      sessionStorage.setItem(SENT, keyOf(event.target));
    } else if (event.target.action.endsWith("/signout")) forget(kept());
  });
  document.addEventListener("click", (event) => event.target.closest?.("[data-forget]") && forget([keyOf(drafted())]));
  addEventListener("pagehide", () => drafted() && touched.has(drafted()) && keep(drafted()));
  if (drafted()) restore(drafted());
}

// Keys, dialogs, copying, forms that say what they do, the palette and the height of the log.
import { pick, pickable, unpick } from "./picks.js";
import { changed } from "./swap.js";

const GO = { h: "/", r: "/runs", s: "/sessions", d: "/desktops", c: "/schedules", a: "/agents", e: "/services", y: "/dashboard", l: "/audit", i: "/system", ",": "/settings" };
let went = 0;

const typing = (event) => event.target.closest?.("input:not([form=bulk]),textarea,select,[contenteditable]");
const rows = () => [...document.querySelectorAll("main a.cover, main a.span")].filter((each) => each.offsetParent !== null || each.closest(".wf-row"));

function move(by) {
  const all = rows();
  if (!all.length) return;
  const at = all.indexOf(document.activeElement);
  const next = all[at < 0 ? (by > 0 ? 0 : all.length - 1) : Math.max(0, Math.min(all.length - 1, at + by))];
  next.focus();
  next.scrollIntoView({ block: "nearest" });
}

function press(key) {
  const named = `[data-key="${CSS.escape(key)}"]:not([disabled])`;
  const target = document.activeElement?.closest("[data-keys]")?.querySelector(named) || document.querySelector(named);
  if (!target || target.closest("[hidden]")) return false;
  const card = target.closest("[data-keys]"); // its keys act only in it: the first press goes there
  if (card && !card.contains(document.activeElement)) {
    card.focus();
    card.scrollIntoView({ block: "nearest" });
  } else if (target.dataset.first) target.form.querySelector(target.dataset.first).focus();
  else if (target.matches("input")) {
    target.focus();
    target.select();
  } else target.click();
  return true;
}

function twist(open) {
  const row = document.activeElement?.closest?.(".wf-row");
  if (row?.getAttribute("aria-expanded") === String(!open)) row.querySelector(".twisty").click();
}

function onKey(event) {
  if ((event.metaKey || event.ctrlKey) && event.key.toLowerCase() === "k") {
    event.preventDefault();
    return palette();
  }
  if ((event.metaKey || event.ctrlKey) && event.key === "Enter" && typing(event)) return event.target.form?.requestSubmit(event.target.form.querySelector("[data-enter]"));
  if (event.key === "Escape" && typing(event)) return event.target.blur();
  if (typing(event) || event.metaKey || event.ctrlKey || event.altKey || document.querySelector("dialog[open]")) return;
  if (localStorage.getItem("windlass_keys") === "off") return;
  const key = event.key.toLowerCase();
  if (Date.now() - went < 1500 && GO[key]) return location.assign(GO[key]);
  went = 0;
  if (key === "g") went = Date.now();
  else if (key === "j" || key === "arrowdown") move(1);
  else if (key === "k" || key === "arrowup") move(-1);
  else if (key === "arrowleft" || key === "arrowright") return twist(key === "arrowright");
  else if (key === "?") help();
  else if (key === "x" && pick()) event.preventDefault();
  else if (key === "escape" && unpick()) event.preventDefault();
  else if (!press(key)) return;
  if (key.length === 1 || document.activeElement?.closest?.("main")) event.preventDefault();
}

function dialog(id, html) {
  let box = document.getElementById(id);
  if (!box) {
    box = document.createElement("dialog");
    box.id = id;
    document.body.append(box);
  }
  if (html) box.innerHTML = html;
  if (!box.open) box.showModal();
  return box;
}

function help() {
  const own = [...document.querySelectorAll("[data-key]")].filter((each) => !each.closest("[hidden]")).map((each) => [each.dataset.key, each.getAttribute("aria-label") || each.querySelector("span")?.textContent || each.placeholder || ""]);
  const all = [["Ctrl K", "Find or do anything"], ["G then H R S D C A E L I ,", "Home, Runs, Sessions, Desktops, Schedules, Agents, Services, Audit, Health, Settings"], ["J K", "Next and previous row"], ["Enter", "Open"], ...(pickable() ? [["X", "Select a row"], ["Esc", "Select nothing"]] : []), ["\u2190 \u2192", "Close or open a row"], ["End", "To the end of the log, and follow"], ...own];
  const box = dialog("keys-help", '<div class="confirm"><h2>Keys of this page</h2><dl class="keys"></dl><label class="row"><input type="checkbox" id="keys-on"> Single keys act</label><div class="acts"><button class="button" type="button" data-act="close">Close</button></div></div>');
  const list = box.querySelector("dl");
  for (const [key, text] of all) {
    const name = document.createElement("dt"), what = document.createElement("dd"), kbd = document.createElement("kbd");
    kbd.textContent = key.length === 1 ? key.toUpperCase() : key;
    name.append(kbd);
    what.textContent = text;
    list.append(name, what);
  }
  const on = box.querySelector("#keys-on");
  on.checked = localStorage.getItem("windlass_keys") !== "off";
  on.onchange = () => localStorage.setItem("windlass_keys", on.checked ? "on" : "off");
}

async function palette() {
  const box = dialog("palette", '<div class="palette"><label class="search"><input type="search" placeholder="Find or do anything" aria-label="Find or do anything" autocomplete="off"></label><div class="found-list"></div></div>');
  const input = box.querySelector("input"), list = box.querySelector(".found-list");
  let timer, asked, listed;
  const ask = async () => {
    const text = (asked = input.value);
    const answer = await fetch(`/find?part=1&from=${encodeURIComponent(location.pathname)}&q=${encodeURIComponent(text)}`, { credentials: "same-origin" });
    if (answer.ok && text === asked) {
      listed = text;
      list.innerHTML = await answer.text();
      list.querySelector("a")?.setAttribute("aria-selected", "true");
    }
  };
  input.oninput = () => {
    clearTimeout(timer);
    timer = setTimeout(ask, 100);
  };
  input.onkeydown = async (event) => {
    if (event.key === "Enter" && listed !== input.value) {
      event.preventDefault();
      clearTimeout(timer);
      await ask(); // what was typed last counts, not the list of what was typed before
      if (listed !== input.value) return;
    }
    const all = [...list.querySelectorAll("a")], at = all.findIndex((each) => each.hasAttribute("aria-selected"));
    if (event.key === "Enter") {
      event.preventDefault();
      all[at]?.click();
    } else if (event.key === "ArrowDown" || event.key === "ArrowUp") {
      event.preventDefault();
      all[at]?.removeAttribute("aria-selected");
      const next = all[(at + (event.key === "ArrowDown" ? 1 : -1) + all.length) % all.length];
      next?.setAttribute("aria-selected", "true");
      next?.scrollIntoView({ block: "nearest" });
    }
  };
  input.focus();
  await ask();
}

/** Say something for four seconds. */
export function toast(text) {
  const place = document.createElement("p");
  place.className = "toast";
  place.role = "status";
  place.textContent = text;
  document.getElementById("toasts")?.append(place);
  setTimeout(() => place.remove(), 4000);
}

function onClick(event) {
  const target = event.target.closest?.("[data-copy],[data-dialog],[data-act]");
  for (const menu of document.querySelectorAll("details.menu[open]")) if (!menu.contains(event.target)) menu.open = false;
  if (!target) return;
  if (target.dataset.copy !== undefined) {
    navigator.clipboard?.writeText(target.dataset.copy).then(() => toast("Copied"), () => toast("This browser does not let pages copy here"));
  } else if (target.dataset.dialog) {
    event.preventDefault();
    document.getElementById(target.dataset.dialog)?.showModal();
  } else if (target.dataset.act === "close") target.closest("dialog")?.close();
  else if (target.dataset.act === "keys") help();
  else if (target.dataset.act === "palette" && !event.ctrlKey && !event.metaKey) {
    event.preventDefault();
    palette();
  }
}

function onSubmit(event) {
  const button = event.submitter ?? event.target.querySelector("button:not([type=button])");
  if (event.defaultPrevented || event.target.method !== "post" || !button) return;
  const word = button.querySelector("span");
  button.style.setProperty("min-width", `${button.offsetWidth}px`);
  if (word && button.dataset.doing) word.textContent = button.dataset.doing;
  setTimeout(() => (button.disabled = true), 0); // after its value was read
}

function size(event) {
  const run = document.getElementById("run"), below = document.getElementById("tab");
  if (!run || !below) return;
  const set = (tenths) => {
    run.dataset.dock = String(Math.max(2, Math.min(7, tenths)));
    document.getElementById("split").setAttribute("aria-valuenow", run.dataset.dock);
    document.cookie = `windlass_dock=${run.dataset.dock}; path=/; max-age=31536000; samesite=lax`;
  };
  if (event.type === "keydown") {
    const by = { ArrowUp: 1, ArrowDown: -1 }[event.key];
    if (by) {
      event.preventDefault();
      event.stopPropagation();
      set(Number(run.dataset.dock) + by);
    }
    return;
  }
  const fall = document.getElementById("wf"), frame = below.getBoundingClientRect(), share = (y) => 1 - (y - frame.top) / frame.height;
  event.target.setPointerCapture(event.pointerId);
  event.target.onpointermove = (at) => fall?.style.setProperty("height", `${Math.max(20, Math.min(80, 100 - share(at.clientY) * 100))}%`);
  event.target.onpointerup = (at) => {
    event.target.onpointermove = event.target.onpointerup = null;
    fall?.style.removeProperty("height");
    set(Math.round(share(at.clientY) * 10));
  };
}

/** Listen once for the whole page. */
export function start() {
  document.addEventListener("keydown", (event) => (event.target.id === "split" ? size(event) : undefined), true);
  document.addEventListener("keydown", onKey);
  document.addEventListener("click", onClick);
  document.addEventListener("submit", onSubmit);
  document.addEventListener("pointerdown", (event) => event.target.id === "split" && size(event));
  addEventListener("pageshow", (event) => {
    if (event.persisted) for (const each of document.querySelectorAll("button[data-doing][disabled]")) each.disabled = false;
  });
  const fade = () => {
    for (const each of document.querySelectorAll("#toasts .toast:not([data-fades])")) {
      each.setAttribute("data-fades", "");
      setTimeout(() => each.remove(), 4000);
    }
  };
  changed(fade);
  fade();
}

// Changes a page in place: links with data-swap, and fragments that the stream brings.

const CLIENT = new Set(["open", "style", "visibility"]); // attributes that belong to the person, not to the server
const listeners = [];

/** Call `then` with the root of everything that was changed. */
export const changed = (then) => listeners.push(then);

/** Show what only works with scripts. */
export function prepare(root) {
  for (const each of root.querySelectorAll(".js[hidden]")) each.hidden = false;
}

/** Make `from` equal to `to`, keeping nodes, focus, scroll positions and what a person has opened or typed. */
export function morph(from, to) {
  if (from.nodeType !== 1) {
    if (from.nodeValue !== to.nodeValue) from.nodeValue = to.nodeValue;
    return;
  }
  if (from.isEqualNode(to)) return;
  for (const { name, value } of [...to.attributes]) {
    if (!CLIENT.has(name) && !(name === "hidden" && from.classList.contains("js")) && from.getAttribute(name) !== value) from.setAttribute(name, value);
  }
  for (const { name } of [...from.attributes]) {
    if (!CLIENT.has(name) && !to.hasAttribute(name)) from.removeAttribute(name);
  }
  if (from.matches("input,textarea,select") || from.hasAttribute("data-keep")) return;
  morphChildren(from, to);
}

function morphChildren(from, to) {
  const named = new Map();
  for (const each of from.children) if (each.id) named.set(each.id, each);
  let at = from.firstChild;
  for (const next of [...to.childNodes]) {
    let match = next.id ? named.get(next.id) : null;
    if (!match && at && !next.id && !at.id && at.nodeName === next.nodeName) match = at;
    if (!match) from.insertBefore(next, at);
    else {
      if (match === at) at = at.nextSibling;
      else from.insertBefore(match, at);
      if (match.nodeName === next.nodeName) morph(match, next);
      else match.replaceWith(next);
    }
  }
  while (at) {
    const gone = at;
    at = at.nextSibling;
    gone.remove();
  }
}

/** Apply one template of the stream: its element morphs the one with its id, is added, or takes its place in a list. */
export function apply(template) {
  const { target, how, after } = template.dataset;
  const place = document.getElementById(target);
  if (how === "drop") return place?.remove();
  const next = template.content.firstElementChild;
  if (how === "row") {
    const row = next && document.getElementById(next.id);
    if (row) morph(row, next);
    else if (place && next) {
      const before = after && document.getElementById(after);
      if (before) before.after(next);
      else place.prepend(next);
    }
  } else if (place && next) morph(place, next);
}

/** Tell everybody that the page has changed. */
export function tell() {
  prepare(document);
  for (const each of listeners) each();
}

async function visit(url, how) {
  let text;
  try {
    const answer = await fetch(url, { headers: { accept: "text/html" }, credentials: "same-origin" });
    if (!answer.ok || new URL(answer.url).pathname !== new URL(url, location).pathname) throw new Error("elsewhere");
    text = await answer.text();
  } catch {
    location.assign(url);
    return;
  }
  const next = new DOMParser().parseFromString(text, "text/html");
  document.title = next.title;
  for (const name of ["data-stream", "data-now"]) {
    const value = next.body.getAttribute(name);
    if (value === null) document.body.removeAttribute(name);
    else document.body.setAttribute(name, value);
  }
  for (const id of ["main", "crumbs", "rail"]) {
    const here = document.getElementById(id), there = next.getElementById(id);
    if (here && there) morph(here, there);
  }
  if (how) history[how === "replace" ? "replaceState" : "pushState"](null, "", url);
  tell();
  document.dispatchEvent(new Event("windlass:visit"));
}

/** Follow links with data-swap without loading the page anew. */
export function start() {
  document.addEventListener("click", (event) => {
    const link = event.target.closest?.("a[data-swap]");
    if (!link || event.button || event.metaKey || event.ctrlKey || event.shiftKey || event.altKey) return;
    event.preventDefault();
    visit(new URL(link.getAttribute("href"), location).href, link.dataset.swap || "push"); // a link of an SVG has no such href
  });
  let path = location.pathname;
  addEventListener("popstate", () => {
    if (location.pathname === path) visit(location.href, "");
    else location.reload();
    path = location.pathname;
  });
}

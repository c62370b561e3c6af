// Fields that are asked only while others have certain values. Without scripts all are shown; the server decides anyway.
import { changed } from "./swap.js";

function meets(form, wanted) {
  const data = new FormData(form);
  return Object.entries(wanted).every(([name, values]) => {
    const sent = data.getAll(name).filter((each) => each !== "");
    return values.some((each) => (each === true ? sent.length > 0 : each === false || each === null ? !sent.length : sent.includes(String(each))));
  });
}

function arrange() {
  const asked = [...document.querySelectorAll("form [data-shown-if]")];
  for (let turn = 0; turn < 3; turn += 1) { // a field that vanishes may take others along
    for (const each of asked) {
      const shown = meets(each.closest("form"), JSON.parse(each.dataset.shownIf));
      each.hidden = !shown;
      for (const control of each.querySelectorAll("input,select,textarea,button")) control.disabled = !shown;
    }
  }
}

/** Keep conditional fields right, now and whenever something is chosen or the page changes. */
export function start() {
  const code = document.querySelector("input[data-fragment]"); // what stands behind the # never reaches a server by itself
  if (code && location.hash.length > 1) {
    code.value = decodeURIComponent(location.hash.slice(1));
    history.replaceState(null, "", location.pathname);
    code.form.requestSubmit();
  }
  arrange();
  document.addEventListener("input", (event) => event.target.closest?.("form")?.querySelector("[data-shown-if]") && arrange());
  changed(arrange);
}

// Rows that are selected, for what is done to several at once: X, Esc, and how many there are.
const boxes = () => [...document.querySelectorAll("input[name=run][form=bulk]")];

function count() {
  const said = document.querySelector("[data-picked]"), picked = boxes().filter((each) => each.checked).length;
  if (said) said.textContent = `${picked} selected`;
}

/** Select the row that has the focus, or not any more; false when there is none. */
export function pick() {
  const box = document.activeElement?.closest?.("tr")?.querySelector("input[form=bulk]");
  if (!box) return false;
  box.checked = !box.checked;
  count();
  return true;
}

/** Select nothing; false when nothing was selected. */
export function unpick() {
  const picked = boxes().filter((each) => each.checked);
  for (const each of picked) each.checked = false;
  count();
  return picked.length > 0;
}

/** Whether this page has rows to select. */
export const pickable = () => boxes().length > 0;

export function start() {
  document.addEventListener("change", (event) => event.target.matches?.("input[form=bulk]") && count());
  document.addEventListener("reset", () => setTimeout(count, 0));
  addEventListener("pageshow", count);
}

// Drag over the axis of the timeline to see that stretch alone.
const SHORTEST = 6; // pixels: anything less was a click

function seconds(x, edges) {
  for (let at = 1; at < edges.length; at += 1) {
    const [left, begun] = edges[at - 1], [right, done] = edges[at];
    if (x <= right) return begun + ((done - begun) * Math.max(0, x - left)) / Math.max(right - left, 1e-9);
  }
  return edges.at(-1)[1];
}

function drag(event) {
  const axis = event.target.closest?.("#wf-axis > svg");
  if (!axis || event.button) return;
  const frame = axis.getBoundingClientRect(), from = event.clientX;
  const edges = document.getElementById("wf").dataset.edges.trim().split(" ").map((each) => each.split(":").map(Number));
  const percent = (x) => (100 * Math.max(0, Math.min(frame.width, x - frame.left))) / frame.width;
  const mark = document.createElementNS(axis.namespaceURI, "rect");
  mark.setAttribute("class", "cut-out");
  mark.setAttribute("height", "26");
  axis.append(mark);
  axis.setPointerCapture(event.pointerId);
  axis.onpointermove = (move) => {
    mark.setAttribute("x", `${percent(Math.min(from, move.clientX))}%`);
    mark.setAttribute("width", `${percent(Math.max(from, move.clientX)) - percent(Math.min(from, move.clientX))}%`);
  };
  axis.onpointercancel = axis.onpointerup = (end) => {
    axis.onpointermove = axis.onpointerup = axis.onpointercancel = null;
    mark.remove();
    if (end.type !== "pointerup" || Math.abs(end.clientX - from) < SHORTEST) return;
    const [start, stop] = [from, end.clientX].sort((one, other) => one - other).map((x) => seconds(percent(x), edges).toFixed(3));
    const url = new URL(location);
    url.searchParams.set("from", start);
    url.searchParams.set("to", stop);
    const link = document.createElement("a");
    link.href = url;
    link.dataset.swap = "";
    document.body.append(link);
    link.click();
    link.remove();
  };
}

export function start() {
  document.addEventListener("pointerdown", drag);
}

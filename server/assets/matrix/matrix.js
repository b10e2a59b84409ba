// The cell that is pointed at or focused tells at the foot of the page why it is so. One cell of each table
// is a tab stop; the arrow keys move from there.
const told = document.getElementById("told");
const tell = (event) => {
  const cell = event.target.closest("td[data-told]");
  if (cell) told.textContent = cell.dataset.told;
};
document.addEventListener("mouseover", tell);
document.addEventListener("focusin", tell);
for (const table of document.querySelectorAll("table")) {
  const first = table.querySelector("td");
  if (first) first.tabIndex = 0;
}
document.addEventListener("keydown", (event) => {
  const step = { ArrowLeft: [0, -1], ArrowRight: [0, 1], ArrowUp: [-1, 0], ArrowDown: [1, 0] }[event.key];
  const cell = event.target.closest && event.target.closest("td[data-told]");
  if (!step || !cell) return;
  const rows = [...cell.closest("tbody").rows];
  const row = rows[rows.indexOf(cell.parentElement) + step[0]];
  const next = row && row.cells[cell.cellIndex + step[1]];
  if (next && next.matches("td")) {
    cell.tabIndex = -1;
    next.tabIndex = 0;
    next.focus();
    event.preventDefault();
  }
});

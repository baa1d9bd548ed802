// Tables in <div class="sortable">: a click on a heading sorts by it, a second click the other way round.
document.addEventListener("DOMContentLoaded", () => {
  const key = (row, column) => row.cells[column].textContent.trim();
  const number = (text) => (/^~?-?[\d.]/.test(text) ? parseFloat(text.replace("~", "")) : NaN);
  const compare = (a, b, sign) => {
    const unknown = (a === "-") - (b === "-"); // these come last either way
    const [x, y] = [number(a), number(b)];
    return unknown || sign * (Number.isNaN(x) || Number.isNaN(y) ? a.localeCompare(b) : x - y);
  };
  for (const table of document.querySelectorAll(".sortable table")) {
    table.querySelectorAll("th").forEach((head, column) => {
      const button = document.createElement("button");
      button.append(...head.childNodes);
      button.title = "Sort";
      head.append(button);
      button.addEventListener("click", () => {
        const down = head.getAttribute("aria-sort") === "ascending";
        for (const other of table.querySelectorAll("th")) other.removeAttribute("aria-sort");
        head.setAttribute("aria-sort", down ? "descending" : "ascending");
        const rows = [...table.tBodies[0].rows];
        rows.sort((a, b) => compare(key(a, column), key(b, column), down ? -1 : 1));
        table.tBodies[0].append(...rows);
      });
    });
  }
});

"use strict";
// Sort a table by a column: numbers as numbers, missing values last in both directions, equal ones as they were.
(function () {
  var collator = new Intl.Collator(undefined, { numeric: true, sensitivity: "base" });

  function key(row, column) {
    var cell = row.cells[column];
    if (cell.hasAttribute("data-none")) return null;
    return cell.hasAttribute("data-v") ? Number(cell.getAttribute("data-v")) : cell.textContent;
  }

  function compare(a, b, direction) {
    if (a.key === null || b.key === null) return (a.key === null) - (b.key === null) || a.at - b.at;
    var both = typeof a.key === "number" && typeof b.key === "number";
    var order = both ? a.key - b.key : collator.compare(String(a.key), String(b.key));
    return order * direction || a.at - b.at;
  }

  function sort(header) {
    var table = header.closest("table");
    var body = table.tBodies[0];
    var now = header.getAttribute("aria-sort");
    // numbers begin with the largest: that is what one looks for
    var first = header.classList.contains("number") ? "descending" : "ascending";
    var other = first === "ascending" ? "descending" : "ascending";
    var next = now === first ? other : first;
    Array.prototype.forEach.call(table.tHead.rows[0].cells, function (cell) { cell.removeAttribute("aria-sort"); });
    header.setAttribute("aria-sort", next);
    Array.prototype.map.call(body.rows, function (row, at) {
      return { row: row, at: Number(row.getAttribute("data-at") || at), key: key(row, header.cellIndex) };
    }).sort(function (a, b) {
      return compare(a, b, next === "ascending" ? 1 : -1);
    }).forEach(function (item) { body.appendChild(item.row); });
  }

  document.querySelectorAll("table.sortable thead th").forEach(function (header) {
    var button = document.createElement("button");
    button.type = "button";
    while (header.firstChild) button.appendChild(header.firstChild);
    header.appendChild(button);
    button.addEventListener("click", function () { sort(header); });
  });
  document.querySelectorAll("table.sortable tbody tr").forEach(function (row) {
    row.setAttribute("data-at", row.sectionRowIndex);
  });
  // folded parts are printed open, and folded again
  var folded = [];
  window.addEventListener("beforeprint", function () {
    folded = Array.prototype.slice.call(document.querySelectorAll("details:not([open])"));
    folded.forEach(function (part) { part.open = true; });
  });
  window.addEventListener("afterprint", function () {
    folded.forEach(function (part) { part.open = false; });
  });
})();

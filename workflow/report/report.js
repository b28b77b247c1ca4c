// Comfort only: the page says everything without it.
(() => {
  "use strict";
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const button = (text, act) => {
    const made = document.createElement("button");
    made.type = "button";
    made.textContent = text;
    made.addEventListener("click", () => act(made));
    return made;
  };

  // Sort a table by a column.
  for (const table of all("table.sortable")) {
    const heads = all("thead tr:last-child th", table);
    heads.forEach((head, place) => {
      const sort = () => {
        const up = head.getAttribute("aria-sort") !== "ascending";
        heads.forEach((other) => other.removeAttribute("aria-sort"));
        head.setAttribute("aria-sort", up ? "ascending" : "descending");
        const key = (row) => row.cells[place].dataset.sort ?? row.cells[place].textContent;
        const order = (a, b) => {
          const [x, y] = [key(a), key(b)];
          const numeric = x !== "" && y !== "" && !Number.isNaN(+x) && !Number.isNaN(+y);
          return (numeric ? x - y : x.localeCompare(y)) * (up ? 1 : -1);
        };
        const body = table.tBodies[0];
        [...body.rows].sort(order).forEach((row) => body.append(row));
      };
      const made = button(head.textContent, sort);
      head.replaceChildren(made);
    });
  }

  // Copy a table as Markdown.
  const markdown = (table) => {
    const line = (cells) => "| " + cells.map((cell) => cell.textContent.trim().replaceAll("|", "\\|")).join(" | ") + " |";
    const heads = all("thead tr:last-child th", table);
    const groups = all("thead tr:first-child:not(:last-child) > *", table).flatMap((cell) => Array(cell.colSpan).fill(cell.textContent.trim()));
    const named = heads.map((head, place) => ({ textContent: groups[place] ? `${groups[place]}: ${head.textContent}` : head.textContent }));
    return [line(named), "|" + " --- |".repeat(heads.length), ...[...table.tBodies[0].rows].map((row) => line([...row.cells]))].join("\n");
  };
  if (navigator.clipboard) {
    for (const table of all("table")) {
      const made = button("Copy as Markdown", async (self) => {
        try {
          await navigator.clipboard.writeText(markdown(table));
          self.textContent = "Copied";
        } catch {
          self.textContent = "Copying was refused";
        }
        setTimeout(() => (self.textContent = "Copy as Markdown"), 2000);
      });
      made.className = "copy";
      table.parentElement.after(made);
    }
  }

  // One of several figures at a time.
  for (const group of all(".switch")) {
    const figures = all("figure", group);
    const labels = group.dataset.labels.split("|");
    const bar = document.createElement("div");
    bar.className = "switcher";
    bar.setAttribute("role", "group");
    bar.setAttribute("aria-label", "Axis");
    const show = (chosen) => {
      figures.forEach((figure, place) => (figure.hidden = place !== chosen));
      [...bar.children].forEach((one, place) => one.setAttribute("aria-pressed", place === chosen));
    };
    figures.forEach((_, place) => bar.append(button(labels[place], () => show(place))));
    group.prepend(bar);
    show(0);
  }

  // Show or hide a method in all figures.
  for (const filter of all(".method-filter")) {
    filter.hidden = false;
    filter.addEventListener("change", (event) => {
      const { series } = event.target.dataset;
      for (const part of all(`.series-${series}`)) part.style.display = event.target.checked ? "" : "none";
    });
  }
})();

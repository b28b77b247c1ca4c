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

  // Take a table along: as Markdown, as LaTeX (booktabs), or as a CSV file.
  const rowsOf = (table) => {
    const text = (cell) => cell.textContent.trim();
    const heads = all("thead tr:last-child th", table).map(text);
    const groups = all("thead tr:first-child:not(:last-child) > *", table).flatMap((cell) => Array(cell.colSpan).fill(text(cell)));
    const named = heads.map((head, place) => (groups[place] ? `${groups[place]}: ${head}` : head));
    return [named, ...[...table.tBodies[0].rows].map((row) => [...row.cells].map(text))];
  };
  const markdown = (table) => {
    const lines = rowsOf(table).map((row) => "| " + row.map((cell) => cell.replaceAll("|", "\\|")).join(" | ") + " |");
    lines.splice(1, 0, "|" + " --- |".repeat(rowsOf(table)[0].length));
    return lines.join("\n");
  };
  const TEX = { "\\": "\\textbackslash{}", "~": "\\textasciitilde{}", "^": "\\textasciicircum{}", "<": "\\textless{}", ">": "\\textgreater{}", "−": "$-$", "±": "$\\pm$", "–": "--", "\u00a0": "~" };
  const tex = (cell) => cell.replace(/[\\{}~^&%$#_<>−±–\u00a0]/g, (mark) => TEX[mark] ?? "\\" + mark);
  const latex = (table) => {
    const lines = rowsOf(table).map((row) => row.map(tex).join(" & ") + " \\\\");
    const [head, ...body] = lines;
    const columns = "l".repeat(rowsOf(table)[0].length);
    return [`\\begin{tabular}{${columns}}`, "\\toprule", head, "\\midrule", ...body, "\\bottomrule", "\\end{tabular}"].join("\n");
  };
  const csv = (table) => {
    const field = (cell) => (/[",\n]/.test(cell) ? `"${cell.replaceAll('"', '""')}"` : cell).replaceAll("−", "-");
    return rowsOf(table).map((row) => row.map(field).join(",") + "\n").join("");
  };
  const copier = (label, form, table) => {
    const made = button(label, async (self) => {
      try {
        await navigator.clipboard.writeText(form(table));
        self.textContent = "Copied";
      } catch {
        self.textContent = "Copying was refused";
      }
      setTimeout(() => (self.textContent = label), 2000);
    });
    return made;
  };
  for (const table of all("table")) {
    const bar = document.createElement("div");
    bar.className = "taken";
    if (navigator.clipboard) bar.append(copier("Copy as Markdown", markdown, table), copier("Copy as LaTeX", latex, table));
    bar.append(button("Save as CSV", () => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(new Blob([csv(table)], { type: "text/csv" }));
      link.download = `${table.id}.csv`;
      link.click();
      URL.revokeObjectURL(link.href);
    }));
    for (const made of bar.children) made.className = "copy";
    table.parentElement.after(bar);
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

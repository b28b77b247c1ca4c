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
  const save = (name, content) => {
    const link = document.createElement("a");
    link.href = URL.createObjectURL(content);
    link.download = name;
    link.click();
    URL.revokeObjectURL(link.href);
  };
  const barOf = (...parts) => {
    const bar = document.createElement("div");
    bar.className = "taken";
    bar.append(...parts);
    for (const made of all("button", bar)) made.className = "copy";
    return bar;
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
  const saveTable = (table) => save(`${table.id}.csv`, new Blob([csv(table)], { type: "text/csv" }));
  for (const table of all("table")) {
    const copiers = navigator.clipboard ? [copier("Copy as Markdown", markdown, table), copier("Copy as LaTeX", latex, table)] : [];
    table.parentElement.after(barOf(...copiers, button("Save as CSV", () => saveTable(table))));
  }
  for (const text of all(".to-copy")) {
    if (navigator.clipboard) text.after(barOf(copier("Copy the text", () => text.textContent.trim(), text)));
  }

  // Show the rows of one status.
  for (const table of all("table[data-filter]")) {
    const place = Number(table.dataset.filter);
    const rows = [...table.tBodies[0].rows];
    const name = (row) => row.cells[place].textContent;
    const counts = new Map();
    for (const row of rows) counts.set(name(row), (counts.get(name(row)) ?? 0) + 1);
    if (counts.size < 2) continue;
    const choice = document.createElement("select");
    choice.append(new Option(`all (${rows.length})`, ""), ...[...counts].map(([one, count]) => new Option(`${one} (${count})`, one)));
    choice.addEventListener("change", () => {
      for (const row of rows) row.hidden = choice.value !== "" && name(row) !== choice.value;
    });
    const label = document.createElement("label");
    label.append("Show ", choice);
    table.parentElement.before(barOf(label));
  }

  // Take a figure along, in the colours of the moment.
  const drawingOf = (figure) => {
    const svg = figure.querySelector("svg.plot");
    const copied = svg.cloneNode(true);
    const { width, height } = svg.viewBox.baseVal;
    const style = getComputedStyle(document.documentElement);
    const paper = document.createElementNS("http://www.w3.org/2000/svg", "rect");
    for (const [key, value] of Object.entries({ width: "100%", height: "100%", fill: "var(--paper)" })) paper.setAttribute(key, value);
    copied.querySelector("desc").after(paper);
    for (const [key, value] of Object.entries({ width, height, "font-family": "sans-serif" })) copied.setAttribute(key, value);
    for (const part of all(".shown", copied)) part.removeAttribute("class");
    const text = new XMLSerializer().serializeToString(copied).replaceAll("var(--sans)", "sans-serif");
    return { width, height, text: text.replace(/var\((--[\w-]+)\)/g, (_, name) => style.getPropertyValue(name).trim()) };
  };
  const SVG = "image/svg+xml";
  const saveAsSvg = (figure) => save(`${figure.id}.svg`, new Blob([drawingOf(figure).text], { type: SVG }));
  const saveAsPng = async (figure) => {
    const { width, height, text } = drawingOf(figure);
    const picture = new Image();
    picture.src = `data:${SVG};charset=utf-8,${encodeURIComponent(text)}`;
    await picture.decode();
    const canvas = document.createElement("canvas");
    [canvas.width, canvas.height] = [3 * width, 3 * height];
    canvas.getContext("2d").drawImage(picture, 0, 0, canvas.width, canvas.height);
    canvas.toBlob((content) => save(`${figure.id}.png`, content), "image/png");
  };
  for (const figure of all("figure")) {
    if (!figure.querySelector("svg.plot")) continue;
    const bar = barOf(button("Save as SVG", () => saveAsSvg(figure)), button("Save as PNG", () => saveAsPng(figure)));
    const table = figure.querySelector("table");
    if (table) bar.append(...all("button", barOf(button("Save the numbers as CSV", () => saveTable(table)))));
    figure.querySelector("figcaption").after(bar);
  }

  // Say the number of a mark under the pointer, and of one mark after the other by the arrow keys.
  const tip = document.createElement("div");
  tip.className = "tip";
  tip.setAttribute("role", "status");
  document.body.append(tip);
  let marked = null;
  const hush = () => {
    tip.textContent = "";
    marked?.classList.remove("shown");
    marked = null;
  };
  const say = (mark) => {
    if (mark === marked) return;
    hush();
    marked = mark;
    mark.classList.add("shown");
    tip.textContent = mark.dataset.value;
    const box = mark.getBoundingClientRect();
    const right = document.documentElement.clientWidth - tip.offsetWidth - 8;
    tip.style.left = `${scrollX + Math.max(8, Math.min(box.left, right))}px`;
    tip.style.top = `${scrollY + (box.top > tip.offsetHeight + 12 ? box.top - tip.offsetHeight - 8 : box.bottom + 8)}px`;
  };
  for (const drawing of all(".with-values")) {
    const marks = all(".values circle", drawing);
    for (const mark of marks) {
      mark.dataset.value = mark.textContent;
      mark.replaceChildren();
    }
    drawing.setAttribute("aria-label", `${drawing.getAttribute("aria-label")}: the arrow keys say its values`);
    drawing.addEventListener("pointerover", (event) => (event.target.dataset.value ? say(event.target) : hush()));
    drawing.addEventListener("pointerleave", hush);
    drawing.addEventListener("blur", hush);
    drawing.addEventListener("focus", () => {
      if (!drawing.matches(":focus-visible")) return;
      const seen = marks.filter((mark) => mark.getClientRects().length);
      if (seen.length) say(seen[0]);
    });
    drawing.addEventListener("keydown", (event) => {
      const step = { ArrowRight: 1, ArrowLeft: -1 }[event.key];
      if (event.key === "Escape") hush();
      const seen = marks.filter((mark) => mark.getClientRects().length);
      if (!step || !seen.length) return;
      event.preventDefault();
      const at = seen.indexOf(marked);
      say(seen[at < 0 ? (step > 0 ? 0 : seen.length - 1) : (at + step + seen.length) % seen.length]);
    });
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

  // Say where something can be scrolled.
  const hints = new ResizeObserver((entries) => {
    for (const { target } of entries) {
      const needed = target.scrollWidth > target.clientWidth + 1;
      const hint = target.previousElementSibling?.matches(".scroll-hint") ? target.previousElementSibling : null;
      if (needed && !hint) {
        const made = document.createElement("p");
        made.className = "scroll-hint";
        made.textContent = "Scroll sideways for the rest \u2192";
        target.before(made);
      } else if (!needed) hint?.remove();
    }
  });
  for (const box of all(".scroll")) hints.observe(box);

  // Mark in the contents what is read now.
  const links = new Map(all("nav a").map((link) => [link.hash.slice(1), link]));
  const reading = new IntersectionObserver((entries) => {
    for (const { isIntersecting, target } of entries) {
      if (!isIntersecting) continue;
      for (const link of links.values()) link.removeAttribute("aria-current");
      links.get(target.id)?.setAttribute("aria-current", "true");
    }
  }, { rootMargin: "-10% 0px -80%" });
  for (const section of all("main > section")) reading.observe(section);
})();

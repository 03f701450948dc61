"use strict";
(() => {
  const all = (selector, root = document) => [...root.querySelectorAll(selector)];
  const one = (selector, root = document) => root.querySelector(selector);

  // Light or dark: what the system says, until someone says otherwise.
  const theme = one("#theme");
  theme.hidden = false;
  const dark = () => document.documentElement.dataset.theme === "dark"
    || (!document.documentElement.dataset.theme && matchMedia("(prefers-color-scheme: dark)").matches);
  theme.addEventListener("click", () => { document.documentElement.dataset.theme = dark() ? "light" : "dark"; });

  // Two pictures in one place, and an edge between them that is dragged or moved by keys.
  function compare() {
    const box = document.createElement("div");
    box.className = "compare";
    const [right, left] = [new Image(), new Image()];
    left.className = "over-img";
    const edge = document.createElement("span");
    edge.className = "edge";
    const tags = ["l", "r"].map((side) => {
      const tag = document.createElement("span");
      tag.className = `tag ${side}`;
      return tag;
    });
    const range = document.createElement("input");
    Object.assign(range, { type: "range", min: 0, max: 100, step: 1, value: 50 });
    box.append(right, left, edge, ...tags, range);
    const move = (value) => {
      range.value = value;
      box.style.setProperty("--at", `${range.value}%`);
      tags[0].hidden = range.value < 12;
      tags[1].hidden = range.value > 88;
    };
    const follow = (event) => {
      const { left: start, width } = box.getBoundingClientRect();
      move(100 * (event.clientX - start) / width);
    };
    range.addEventListener("input", () => move(range.value));
    box.addEventListener("pointerdown", (event) => {
      if (event.button !== 0) return;
      box.setPointerCapture(event.pointerId);
      range.focus({ preventScroll: true, focusVisible: false });
      event.preventDefault();
      follow(event);
    });
    box.addEventListener("pointermove", (event) => { if (box.hasPointerCapture(event.pointerId)) follow(event); });
    const show = (card, leftName, rightName) => {
      [[left, leftName, 0], [right, rightName, 1]].forEach(([image, name, side]) => {
        const source = picture(card, name);
        image.src = source.src;
        image.alt = source.alt;
        tags[side].textContent = source.closest(".thumb").dataset.column;
      });
      range.setAttribute("aria-label",
        `${tags[0].textContent} and ${tags[1].textContent} of ${card.dataset.name}: share of the left one`);
    };
    return { box, show, move };
  }
  const thumbs = (card) => all(".thumb", card);
  const named = (card, name) => thumbs(card).find((thumb) => thumb.dataset.column === name);
  const picture = (card, name) => one("img", named(card, name) || named(card, "personalized") || thumbs(card).at(-1));

  const cards = all(".card").filter((card) => thumbs(card).length);
  if (cards.length) {
    const [left, right] = ["#left", "#right"].map((id) => one(id));
    all(".tools").forEach((tools) => { tools.hidden = false; });
    const shown = cards.map((card) => {
      const pair = compare();
      card.prepend(pair.box);
      return () => pair.show(card, left.value, right.value);
    });
    const update = () => shown.forEach((show) => show());
    [left, right].forEach((select) => select.addEventListener("change", update));
    update();

    const filters = all("[data-filter]");
    filters.forEach((button) => button.addEventListener("click", () => {
      filters.forEach((other) => other.setAttribute("aria-pressed", String(other === button)));
      const album = button.dataset.filter;
      cards.forEach((card) => { card.hidden = album !== "" && card.dataset.album !== album; });
    }));

    // The first picture of the page: of a photo that was held out, where there are any.
    const first = one(".first");
    const star = cards.find((card) => card.dataset.album === "held-out") || cards[0];
    const pair = compare();
    first.prepend(pair.box);
    pair.show(star, "pretrained", "personalized");
    const seen = star.dataset.album === "held-out" ? "A photo it never saw" : "A photo of its album";
    one("figcaption", first).textContent = `${seen}, before and after. Drag across it.`;
    first.hidden = false;

    // Enlarged, one photo after the other.
    const dialog = one("#enlarged");
    const stage = compare();
    one(".stage", dialog).append(stage.box);
    const [from, to] = all("select", dialog);
    let now = cards[0];
    const draw = () => {
      one("h2", dialog).textContent = now.dataset.name;
      [from, to].forEach((select) => {
        const chosen = select.value;
        select.replaceChildren(...thumbs(now).map((thumb) => new Option(thumb.dataset.column)));
        select.value = named(now, chosen) ? chosen : "personalized";
      });
      stage.show(now, from.value, to.value);
    };
    [from, to].forEach((select) => select.addEventListener("change", draw));
    all("[data-step]", dialog).forEach((button) => button.addEventListener("click", () => {
      const open = cards.filter((card) => !card.hidden);
      now = open.at((open.indexOf(now) + Number(button.dataset.step)) % open.length);
      draw();
    }));
    dialog.addEventListener("click", (event) => { if (event.target === dialog) dialog.close(); });
    cards.forEach((card) => thumbs(card).forEach((thumb) => thumb.addEventListener("click", () => {
      now = card;
      draw();
      to.value = thumb.dataset.column;
      from.value = to.value === "photo" ? "personalized" : "photo";
      draw();
      stage.move(50);
      dialog.showModal();
    })));
  }

  // A turntable that stands still where motion is unwanted, until it is asked to turn; and holds when asked again.
  all(".play").forEach((button) => {
    const still = one("source", button);
    button.addEventListener("click", () => {
      const holds = still.media === "all" || (still.media !== "not all" && matchMedia(still.media).matches);
      still.media = holds ? "not all" : "all";
    });
  });

  // What the points under the pointer are.
  all(".chart.lines").forEach((chart) => {
    const dots = all(".dot", chart);
    const cursor = one(".cursor", chart);
    const readout = one(".readout", chart.closest("figure"));
    const middle = (dot) => Number(dot.getAttribute("cx"));
    chart.addEventListener("pointermove", (event) => {
      const { left, width } = chart.getBoundingClientRect();
      const x = (event.clientX - left) / width * chart.viewBox.baseVal.width;
      const nearest = dots.reduce((best, dot) => (Math.abs(middle(dot) - x) < Math.abs(middle(best) - x) ? dot : best));
      const near = dots.filter((dot) => middle(dot) === middle(nearest));
      dots.forEach((dot) => dot.classList.toggle("near", near.includes(dot)));
      cursor.setAttribute("x1", middle(nearest));
      cursor.setAttribute("x2", middle(nearest));
      cursor.setAttribute("visibility", "visible");
      const told = near.map((dot) => `${dot.dataset.name} ${dot.dataset.y}`).join(" · ");
      readout.textContent = `${chart.dataset.across} ${nearest.dataset.x}: ${told}`;
    });
    chart.addEventListener("pointerleave", () => {
      dots.forEach((dot) => dot.classList.remove("near"));
      cursor.setAttribute("visibility", "hidden");
      readout.textContent = "";
    });
  });

  all(".copy").forEach((button) => {
    button.hidden = false;
    const code = one("code", button.parentElement);
    button.addEventListener("click", async () => {
      try {
        await navigator.clipboard.writeText(code.textContent);
        button.textContent = "Copied";
      } catch { // no clipboard for this page: at least what is to be copied is selected
        getSelection().selectAllChildren(code);
        button.textContent = "Selected";
      }
      setTimeout(() => { button.textContent = "Copy"; }, 2000);
    });
  });
})();

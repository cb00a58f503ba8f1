// Line numbers and colours behind a textarea with Rego while someone types. Without this module the
// textarea is all there is. The same words as app/console/rego_highlighting.py.

const KEYWORDS = new Set(["package", "import", "default", "if", "else", "not", "some", "every", "in",
  "contains", "with", "as", "true", "false", "null"]);
const ROOTS = new Set(["input", "data"]);
const WORD = /(?<comment>#.*)|(?<text>"(?:[^"\\\n]|\\.)*"?|`[^`]*`?)|(?<number>-?\b\d+(?:\.\d+)?\b)|(?<call>\b[A-Za-z_][\w.]*(?=\())|(?<name>\b[A-Za-z_]\w*)|(?<sign>:=|==|!=|<=|>=|[=<>|&*+/{}[\](),;:.-])/g;

function sort(found) {
  const kind = Object.keys(found.groups).find((name) => found.groups[name] !== undefined);
  if ((kind === "name" || kind === "call") && KEYWORDS.has(found[0])) return "keyword";
  return kind === "name" && ROOTS.has(found[0]) ? "root" : kind;
}

function coloured(source) {
  const pieces = document.createDocumentFragment();
  let end = 0;
  for (const found of source.matchAll(WORD)) {
    pieces.append(source.slice(end, found.index));
    const word = document.createElement("span");
    word.className = `rego-${sort(found)}`;
    word.textContent = found[0];
    pieces.append(word);
    end = found.index + found[0].length;
  }
  // A last line that is empty has no height of its own.
  pieces.append(source.slice(end), "\n");
  return pieces;
}

function numbered(source, fault) {
  const lines = document.createDocumentFragment();
  for (let number = 1; number <= source.split("\n").length; number += 1) {
    const line = document.createElement("span");
    line.textContent = `${number}\n`;
    if (number === fault) line.className = "fault";
    lines.append(line);
  }
  return lines;
}

function equip(area) {
  const editor = document.createElement("div");
  const numbers = document.createElement("pre");
  const colours = document.createElement("pre");
  editor.className = "rego-editor";
  numbers.className = "numbers";
  colours.className = "colours";
  numbers.ariaHidden = "true";
  colours.ariaHidden = "true";
  area.before(editor);
  editor.append(numbers, colours, area);
  const fault = Number(area.dataset.faultLine) || 0;
  const draw = () => {
    colours.replaceChildren(coloured(area.value));
    numbers.replaceChildren(numbered(area.value, fault));
  };
  const follow = () => {
    colours.scrollTop = area.scrollTop;
    colours.scrollLeft = area.scrollLeft;
    numbers.scrollTop = area.scrollTop;
  };
  area.addEventListener("input", () => { draw(); follow(); });
  area.addEventListener("scroll", follow);
  draw();
  if (fault) show(area, fault, Number(area.dataset.faultColumn) || 1);
}

function show(area, line, column) {
  const before = area.value.split("\n").slice(0, line - 1).join("\n");
  const place = (line > 1 ? before.length + 1 : 0) + column - 1;
  area.focus({ preventScroll: true });
  area.setSelectionRange(place, place);
  const height = Number.parseFloat(getComputedStyle(area).lineHeight);
  area.scrollTop = Math.max(0, (line - 4) * height);
}

document.querySelectorAll("textarea[data-rego]").forEach(equip);

/* The eight looks of series that are compared: a colour of the style sheet and, as nobody should need to tell colours apart, a
 * dash of its own. */

export const LOOKS = 8;

/** The custom property of the style sheet: light and dark differ. */
export const colorOf = (look: number): string => `--run-${look % LOOKS}`;

/** Lengths of ink and gap, in pixels; none is a solid line. */
const DASHES: readonly (readonly number[])[] = [
  [],
  [10, 4],
  [2, 3],
  [12, 3, 2, 3],
  [5, 3],
  [16, 4, 5, 4],
  [7, 3, 2, 3, 2, 3],
  [1, 5],
];
export const dashOf = (look: number): readonly number[] => DASHES[look % LOOKS]!;

const SVG = 'http://www.w3.org/2000/svg';

/** A short piece of the line, for a legend. */
export function swatch(look: number): SVGSVGElement {
  const svg = document.createElementNS(SVG, 'svg');
  for (const [name, value] of Object.entries({ width: '34', height: '10', 'aria-hidden': 'true', class: 'swatch' }))
    svg.setAttribute(name, value);
  const line = document.createElementNS(SVG, 'line');
  for (const [name, value] of Object.entries({ x1: '1', x2: '33', y1: '5', y2: '5' })) line.setAttribute(name, value);
  line.style.stroke = `var(${colorOf(look)})`;
  line.style.strokeWidth = '3px';
  line.style.strokeDasharray = dashOf(look).join(' ');
  svg.append(line);
  return svg;
}

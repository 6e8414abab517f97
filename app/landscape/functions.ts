import { functionOf, ownProblem, type Problem, problems, resolveProblem } from '../../src/trajectory/index.js';
import { parseFormula } from './formula.js';
import { type Compiled, checkPlace, compile } from './jets.js';

/* The functions that can be looked at: plain data, so that a worker makes the same ones. */

export type Interval = readonly [from: number, to: number];
export type Place = readonly [x: number, y: number];

/** What is asked for. */
export interface FunctionChoice {
  readonly name: string;
  /** Of a noisy quadratic: deviation of the noise. */
  readonly sigma: number;
  /** Of one's own. */
  readonly formula: string;
  /** Of one's own: the picture goes from minus that to that. */
  readonly range: number;
}

/** The name of a formula of one's own among the functions. */
export const OWN = 'own';
/** In the order of the menu: first the lecture's, then those of the collections. */
const FIRST = ['ravine', 'saddle', 'localMinima', 'noisyQuadratic', 'rosenbrock', 'beale', 'himmelblau', 'rastrigin'];
const TITLES: Readonly<Record<string, string>> = {
  ravine: 'Ravine of the lecture: W1²/64 + W2²',
  saddle: 'Saddle',
  localMinima: 'Local minima: three valleys',
};

function given(name: string, sigma = 1): Problem {
  const { row } = resolveProblem(problems, name);
  const options = { ...('n' in row.fields && { n: 2 }), ...('sigma' in row.fields && { sigma }) };
  return resolveProblem(problems, name, options);
}

/** Those of two dimensions. A quadratic is the ravine again. */
const planar = Object.keys(problems).filter((name) => name !== 'quadratic' && given(name).n === 2);
const capital = (text: string) => text.charAt(0).toUpperCase() + text.slice(1);

/** Name and title of each. */
export const FUNCTIONS: readonly (readonly [name: string, title: string])[] = [
  ...[...FIRST, ...planar.filter((name) => !FIRST.includes(name))].map(
    (name) => [name, TITLES[name] ?? capital(given(name).row.title.replace(/^(the|a) /, ''))] as const,
  ),
  [OWN, 'A formula of your own'],
];

/** Values alone, also where there is no start. @throws FormulaError */
export function valuesOf(choice: FunctionChoice): (x: number, y: number) => number {
  if (choice.name === OWN) return compile(parseFormula(choice.formula)).value;
  const { value } = functionOf(problemOf(choice));
  const point: [number, number] = [0, 0];
  return (x, y) => {
    [point[0], point[1]] = [x, y];
    return value(point);
  };
}

/** What a picture shows. */
export const windowOf = ({ name, range }: FunctionChoice): Problem['row']['window'] =>
  name === OWN
    ? [
        [-range, range],
        [-range, range],
      ]
    : given(name).row.window;

/** Where one starts who says nothing. */
export function usualStart({ name, range }: FunctionChoice): Place {
  if (name === OWN) return [-0.7 * range, 0.5 * range];
  const [x = 0, y = 0] = given(name).start;
  return [x, y];
}

/**
 * @param start of a formula, which must have a value and a slope there
 * @param minima of a formula, where any are known
 * @throws DownhillError OPTION-*, FormulaError
 */
export function problemOf(choice: FunctionChoice, start?: Place, minima: Problem['minima'] = []): Problem {
  const { name, sigma, formula } = choice;
  if (name !== OWN) return given(name, sigma);
  const expression = parseFormula(formula);
  const at = start ?? usualStart(choice);
  checkPlace(expression, ...at);
  return ofFormula(formula, compile(expression), at, minima, windowOf(choice));
}

const ofFormula = (
  formula: string,
  { value, jet }: Compiled,
  start: Place,
  minima: Problem['minima'],
  window: Problem['row']['window'],
): Problem =>
  ownProblem({
    ...{ title: 'your formula', formula: [/=/.test(formula) ? formula : `f = ${formula}`], start, minima, window },
    value: (x) => value(x[0]!, x[1]!),
    gradient: (x) => [...jet(x[0]!, x[1]!).subarray(1, 3)],
    product(x, v) {
      const [, , , xx, xy, yy] = jet(x[0]!, x[1]!);
      return [xx! * v[0]! + xy! * v[1]!, xy! * v[0]! + yy! * v[1]!];
    },
  });

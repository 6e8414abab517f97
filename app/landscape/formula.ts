import { suggest } from '../../src/index.js';

/*
 * A formula of x and y, as people write it: `x²/64 + y²`, `100(y - x^2)^2 + (1 - x)^2`, `-sin(pi x) exp(-abs(y))`. It is parsed into a tree and
 * never run as code: the page's policy forbids that, and so does sense.
 */

/** What a formula is made of; `at` is its place in the text. */
export type Expression =
  | { readonly kind: 'number'; readonly value: number; readonly at: number }
  | { readonly kind: 'variable'; readonly name: 'x' | 'y'; readonly at: number }
  | { readonly kind: 'call'; readonly name: string; readonly of: readonly Expression[]; readonly at: number };

/** A text that is no formula, or has no value where one is needed. */
export class FormulaError extends Error {
  override readonly name = 'FormulaError';

  /** @param at where in the text; `fix` one imperative sentence */
  constructor(
    message: string,
    readonly fix: string,
    readonly at: number,
  ) {
    super(message);
  }
}

const CONSTANTS: Readonly<Record<string, number>> = { pi: Math.PI, π: Math.PI, e: Math.E };
/** Of the lecture's weights, too. */
const VARIABLES: Readonly<Record<string, 'x' | 'y'>> = {
  x: 'x',
  y: 'y',
  X: 'x',
  Y: 'y',
  W1: 'x',
  W2: 'y',
  w1: 'x',
  w2: 'y',
};
const ONE = ['sin', 'cos', 'tan', 'asin', 'acos', 'atan', 'sinh', 'cosh', 'tanh', 'exp', 'log', 'ln', 'log2', 'log10'];
/** Functions with how many arguments they take. */
export const ARGUMENTS: Readonly<Record<string, number>> = {
  ...Object.fromEntries([...ONE, 'sqrt', 'cbrt', 'abs'].map((name) => [name, 1])),
  ...{ min: 2, max: 2, pow: 2 },
};
const NAMES = [...Object.keys(VARIABLES), ...Object.keys(CONSTANTS), ...Object.keys(ARGUMENTS)];

const SUPERSCRIPTS = '⁰¹²³⁴⁵⁶⁷⁸⁹';
const SAME: Readonly<Record<string, string>> = { '·': '*', '×': '*', '÷': '/', '−': '-', '–': '-', '[': '(', ']': ')' };
const LONGEST = 1000;
const DEEPEST = 60;

interface Token {
  readonly kind: 'number' | 'name' | 'sign' | 'end';
  readonly text: string;
  readonly at: number;
}

/** @throws FormulaError */
function tokensOf(text: string): Token[] {
  const tokens: Token[] = [];
  // 'f =' in front says nothing.
  let at = /^\s*[A-Za-z]\w*\s*(\([^()]*\)\s*)?=(?!=)/.exec(text)?.[0].length ?? 0;
  while (at < text.length) {
    const rest = text.slice(at);
    const [number] = /^(\d+\.?\d*|\.\d+)(e[+-]?\d+)?/i.exec(rest) ?? [];
    const [name] = /^(π|[A-Za-z_]\w*)/.exec(rest) ?? [];
    const [raised] = new RegExp(`^[${SUPERSCRIPTS}]+`).exec(rest) ?? [];
    const sign = SAME[rest[0]!] ?? rest[0]!;
    if (/^\s/.test(rest)) at++;
    else if (number !== undefined) at += push('number', number);
    else if (name !== undefined) at += pushNames(name);
    else if (raised !== undefined) {
      const digits = [...raised].map((each) => SUPERSCRIPTS.indexOf(each)).join('');
      tokens.push({ kind: 'sign', text: '^', at }, { kind: 'number', text: digits, at });
      at += raised.length;
    } else if (rest.startsWith('**')) {
      push('sign', '^');
      at += 2;
    } else if ('+-*/^(),'.includes(sign)) at += push('sign', sign);
    else
      throw new FormulaError(`'${sign}' means nothing in a formula.`, 'Use x, y, numbers, + - * / ^ and brackets.', at);
  }
  tokens.push({ kind: 'end', text: '', at: text.trimEnd().length });
  return tokens;

  function push(kind: Token['kind'], own: string): number {
    tokens.push({ kind, text: own, at });
    return own.length;
  }
  /** 'xy' is x times y. */
  function pushNames(name: string): number {
    const each = /^[xy]+$/.test(name) ? [...name] : [name];
    for (const [i, own] of each.entries()) tokens.push({ kind: 'name', text: own, at: at + i });
    return name.length;
  }
}

/**
 * Reads a formula.
 *
 * @throws FormulaError with the place of what is wrong
 */
export function parseFormula(text: string): Expression {
  if (text.length > LONGEST)
    throw new FormulaError(`The formula has ${text.length} characters.`, `Use no more than ${LONGEST}.`, LONGEST);
  return new Parser(tokensOf(text)).whole();
}

class Parser {
  #next = 0;
  #depth = 0;

  constructor(private readonly tokens: readonly Token[]) {}

  whole(): Expression {
    if (this.#peek().kind === 'end')
      throw new FormulaError('There is no formula yet.', 'Write one, such as x^2 + y^2.', 0);
    const result = this.#sum();
    const { kind, text, at } = this.#peek();
    if (kind === 'end') return result;
    throw text === ')'
      ? new FormulaError('A bracket is closed that was not opened.', "Take the ')' away.", at)
      : new FormulaError(`'${text}' is not expected here.`, 'Put an operator in front of it.', at);
  }

  /** A method, since what it gives changes with every token taken. */
  #peek(): Token {
    return this.tokens[this.#next]!;
  }

  #is(...signs: string[]): boolean {
    const { kind, text } = this.#peek();
    return kind === 'sign' && signs.includes(text);
  }

  #take(): Token {
    return this.tokens[this.#next++]!;
  }

  #sum(): Expression {
    let left = this.#product();
    while (this.#is('+', '-')) {
      const { text: name, at } = this.#take();
      left = { kind: 'call', name, of: [left, this.#product()], at };
    }
    return left;
  }

  #product(): Expression {
    let left = this.#signed();
    for (;;) {
      const { kind, at } = this.#peek();
      if (this.#is('*', '/')) {
        const { text: name } = this.#take();
        left = { kind: 'call', name, of: [left, this.#signed()], at };
      } else if (kind === 'name' || this.#is('(')) {
        // Side by side: 2x, 3(x + 1).
        left = { kind: 'call', name: '*', of: [left, this.#power()], at };
      } else return left;
    }
  }

  #signed(): Expression {
    if (!this.#is('+', '-')) return this.#power();
    const { text, at } = this.#take();
    const of = this.#deeper(() => this.#signed());
    return text === '+' ? of : { kind: 'call', name: 'negative', of: [of], at };
  }

  /** -x^2 is -(x²), 2^-x is allowed, 2^3^2 is 2^9. */
  #power(): Expression {
    const base = this.#operand();
    if (!this.#is('^')) return base;
    const { at } = this.#take();
    return { kind: 'call', name: '^', of: [base, this.#deeper(() => this.#signed())], at };
  }

  #operand(): Expression {
    const token: Token = this.#take();
    const { kind, text, at } = token;
    if (kind === 'number') return { kind: 'number', value: Number(text), at };
    if (kind === 'name') return this.#named(token);
    if (text === '(') return this.#bracket(at);
    const before = this.tokens[this.#next - 2];
    throw new FormulaError(
      kind === 'end' ? 'The formula ends too early.' : `'${text}' is not expected here.`,
      before ? `Write a number, x, y or a bracket behind '${before.text}'.` : 'Begin with a number, x, y or a bracket.',
      at,
    );
  }

  #bracket(at: number): Expression {
    const inside = this.#deeper(() => this.#sum());
    this.#close(at);
    return inside;
  }

  #close(opened: number): void {
    if (this.#is(')')) this.#take();
    else if (this.#peek().kind === 'end') throw new FormulaError('A bracket is not closed.', "Add a ')'.", opened);
    else
      throw new FormulaError(
        `'${this.#peek().text}' is not expected here.`,
        "Close the bracket with ')'.",
        this.#peek().at,
      );
  }

  #named({ text: name, at }: Token): Expression {
    const variable = Object.hasOwn(VARIABLES, name) ? VARIABLES[name] : undefined;
    if (variable) return { kind: 'variable', name: variable, at };
    if (Object.hasOwn(CONSTANTS, name)) return { kind: 'number', value: CONSTANTS[name]!, at };
    if (!Object.hasOwn(ARGUMENTS, name)) throw new FormulaError(`'${name}' is not known.`, suggest(name, NAMES), at);
    if (!this.#is('('))
      throw new FormulaError(`${name} needs what it is of in brackets.`, `Write ${name}(x).`, this.#peek().at);
    const opened = this.#take().at;
    const of = [this.#deeper(() => this.#sum())];
    while (this.#is(',')) {
      this.#take();
      of.push(this.#deeper(() => this.#sum()));
    }
    this.#close(opened);
    const wanted = ARGUMENTS[name]!;
    if (of.length === wanted) return { kind: 'call', name, of, at };
    throw new FormulaError(
      `${name} takes ${wanted === 1 ? 'one number' : 'two numbers'}, got ${of.length}.`,
      `Write ${name}(${wanted === 1 ? 'x' : 'x, y'}).`,
      at,
    );
  }

  #deeper<T>(read: () => T): T {
    if (++this.#depth > DEEPEST)
      throw new FormulaError(
        'The formula is nested too deeply.',
        `Use no more than ${DEEPEST} brackets in brackets.`,
        this.#peek().at,
      );
    const result = read();
    this.#depth--;
    return result;
  }
}

import { GRADCHECK_LIMITS, type GradcheckReport } from '../../src/checks/index.js';
import { make, setText } from '../shell/dom.js';
import { PageError, problemOf } from '../shell/problem.js';
import type { Answer } from './gradcheck.worker.js';

/** A button that checks the gradients of a small network on this adapter, and says what came out. */
export function gradientCheck(): HTMLElement {
  const button = make('button', { type: 'button', className: 'button small' }, 'Check a small network here');
  const status = make('p', { className: 'hint' });
  status.setAttribute('role', 'status');
  const result = make('div', {});
  button.addEventListener('click', async () => {
    if (button.getAttribute('aria-disabled') === 'true') return;
    button.setAttribute('aria-disabled', 'true');
    setText(status, 'Checking …');
    result.replaceChildren();
    try {
      const report = await ask();
      setText(status, sentence(report));
      result.replaceChildren(tableOf(report));
    } catch (error) {
      const { message, fix } = problemOf(error);
      setText(status, `${message} ${fix}`);
    } finally {
      button.setAttribute('aria-disabled', 'false');
    }
  });
  return make('div', { className: 'gradient-check' }, button, status, result);
}

function ask(): Promise<GradcheckReport> {
  const worker = new Worker(new URL('./gradcheck.worker.ts', import.meta.url), { type: 'module' });
  return new Promise<GradcheckReport>((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<Answer>) => {
      if ('report' in data) resolve(data.report);
      else reject(new PageError(data.problem.message, data.problem.fix));
    });
    worker.addEventListener('error', ({ message }) => reject(new Error(message || 'the worker did not start')));
    worker.postMessage('check');
  }).finally(() => worker.terminate());
}

const digits = (error: number) => error.toExponential(1);

function sentence({ tensors, ok }: GradcheckReport): string {
  const most = (name: 'numeric' | 'gpu') => digits(Math.max(...tensors.map((tensor) => tensor[name])));
  const { numeric, gpu } = GRADCHECK_LIMITS;
  return (
    `The gradients ${ok ? 'agree' : 'do not agree'}: float64 with differences to ${most('numeric')} (at most ${digits(numeric)}), ` +
    `this adapter with float64 to ${most('gpu')} (at most ${digits(gpu)}).`
  );
}

function tableOf({ tensors }: GradcheckReport): HTMLElement {
  const cells = (tag: 'th' | 'td', texts: readonly string[]) => texts.map((text) => make(tag, {}, text));
  const head = cells('th', ['Tensor', 'Shape', 'Checked', 'Differences', 'Adapter']);
  const rows = tensors.map(({ name, shape, checked, numeric, gpu }) =>
    make('tr', {}, ...cells('td', [name, shape.join(' × '), String(checked), digits(numeric), digits(gpu)])),
  );
  const table = make('table', {}, make('thead', {}, make('tr', {}, ...head)), make('tbody', {}, ...rows));
  const scroll = make('section', { className: 'scroll', tabIndex: 0 }, table);
  scroll.setAttribute('aria-label', 'Errors of the gradients, relative to the largest of each tensor');
  return scroll;
}

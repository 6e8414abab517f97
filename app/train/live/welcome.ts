import { PRESETS } from '../../experiment/presets.js';
import { byId, make } from '../../shell/dom.js';
import type { Lab } from '../../shell/views.js';
import type { Attach } from '../part.js';

/* What stands there before the first run, and the presets, which stay beside the settings. */

function choices(lab: Lab): HTMLElement {
  const list = make('ul', { className: 'presets' });
  for (const { title, text, experiment } of PRESETS) {
    const button = make('button', { type: 'button' }, make('strong', {}, title), make('span', {}, text));
    button.addEventListener('click', async () => {
      await lab.open('train', { experiment });
      byId('primary').focus(); // the settings are filled in: what is left is to start
    });
    list.append(make('li', {}, button));
  }
  return list;
}

export const attach: Attach = ({ lab, training }) => {
  const words = make(
    'p',
    {},
    'Train a neural network in this tab: the update rules are WebGPU kernels, nothing is uploaded and nothing installed. ' +
      'Press Start for the settings as they stand, or begin with one of these.',
  );
  const welcome = byId('train-welcome');
  welcome.append(words, choices(lab));
  const later = make('details', { className: 'card presets-later' }, make('summary', {}, 'Presets'), choices(lab));
  const panel = byId('train-panel');
  panel.append(later);
  const refresh = () => {
    const idle = training.phase === 'idle';
    byId('run').toggleAttribute('data-idle', idle);
    welcome.hidden = !idle;
    // Not even its gap.
    panel.classList.toggle('empty', idle);
  };
  training.listen({ changed: refresh });
  refresh();
  return undefined;
};

import type { AdapterReport } from '../../src/index.js';
import type { FileChooser } from '../experiment/files.js';
import type { SettingsForm } from '../experiment/form.js';
import type { Texts } from '../experiment/settings.js';
import type { RunBook } from '../runs/book.js';
import type { ViewName } from './view-names.js';

/* What the page and its views know of each other. A view is a module that is loaded when it is opened first; from then on it
 * stays, hidden or shown, so that what it runs goes on while another is looked at. */

export interface View {
  /** What it does now, such as 'A run is under way'; '' when nothing would be lost by leaving the page. */
  readonly doing: string;
  /** What differs from its defaults, for the link: keys without the view's name in front. */
  state(): Texts;
  /**
   * Takes the view's part of a link; a key that is not there goes back to its default. It never starts anything.
   *
   * @returns the keys whose values it does not understand
   */
  take(state: Texts): readonly string[];
  /** It is on the screen from now on: what is drawn to a size is drawn again. */
  shown(): void;
  /** Enter in a field of the experiment: starts what can start, and does nothing where it goes already. */
  start?(): void;
  /** The space bar outside of fields: start, pause, go on. */
  toggle(): void;
  /** Escape: ends what it does, keeping what was reached. */
  stop(): void;
}

/** What a view's module exports. */
export type OpenView = (lab: Lab) => View | Promise<View>;

/** What the page gives to its views. */
export interface Lab {
  /** The device all views share; asked for once, and again after it was lost. */
  device(): Promise<GPUDevice>;
  /** Undefined before a device was found, and where there is none: a view that can do without one does. */
  readonly adapter: AdapterReport | undefined;
  /** Whether there is a device; 'none' after it could not be had, until somebody asks again with success. */
  readonly gpu: 'looking' | 'there' | 'none';
  /** Told whenever a device was found, was lost or could not be had; `error`: why there is none. */
  onDevice(listener: (device: GPUDevice | undefined, error?: unknown) => void): void;
  /** The one experiment of all views: data, network, rule, run. */
  readonly form: SettingsForm;
  readonly files: FileChooser;
  /** Told after every change of the experiment. */
  onSettings(listener: () => void): void;
  /** All runs that the page remembers; whoever trains adds to it. */
  readonly runs: RunBook;
  /** A setting of a view is another: the address follows. */
  changed(): void;
  /** Opens a view as if its tab was pressed; with settings of the experiment or of the view, as a link would. */
  open(view: ViewName, settings?: { readonly experiment?: Texts; readonly state?: Texts }): Promise<void>;
  /**
   * Says above everything what went wrong.
   *
   * @param again label of a button that calls `retry`
   * @returns takes it away, where nothing else is said by then
   */
  problem(error: unknown, title: string, again?: { readonly label: string; retry(): void }): () => void;
  /** Takes away what `problem` said last, whoever called it. */
  solved(): void;
  /** How far a view is, for the title of the tab; undefined when it does nothing. */
  progress(view: ViewName, share: number | undefined): void;
}

import { type AdapterReport, DownhillError, describeAdapter, requestDevice } from '../../src/index.js';
import { byId, setText } from './dom.js';

type Listener = (device: GPUDevice | undefined, error?: unknown) => void;

/** The page's device: asked for once; after it was lost, the next call asks for another. */
export class PageDevice {
  #device: Promise<GPUDevice> | undefined;
  #listeners: Listener[] = [];
  adapter: AdapterReport | undefined;
  /** 'none': there was none the last time it was asked for; one that was lost may come back. */
  state: 'looking' | 'there' | 'none' = 'looking';

  onDevice(listener: Listener): void {
    this.#listeners.push(listener);
  }

  get(): Promise<GPUDevice> {
    this.#device ??= this.#open().catch((error: unknown) => {
      this.#device = undefined;
      this.state = 'none';
      this.#tell(undefined, error);
      throw error;
    });
    return this.#device;
  }

  async #open(): Promise<GPUDevice> {
    const device = await requestDevice({ label: 'page' });
    device.lost.then(({ message }) => {
      this.#device = undefined;
      const error = new DownhillError(
        'DEVICE-LOST',
        `The GPU device was lost. ${message}`.trim(),
        'Start again: a new device will be asked for.',
      );
      this.#tell(undefined, error);
    });
    device.addEventListener('uncapturederror', ({ error }) => this.#tell(device, error));
    this.adapter = describeAdapter(device);
    this.state = 'there';
    this.#tell(device);
    return device;
  }

  #tell(device: GPUDevice | undefined, error?: unknown): void {
    for (const listener of this.#listeners) listener(device, error);
  }
}

/**
 * Whether an error of the device is of work under one of these labels: what the library makes is named downhill:LABEL/…, and so
 * is what WebGPU says of it. An error that names nothing may be anybody's.
 */
export function concerns(error: unknown, ...labels: readonly string[]): boolean {
  const text = error instanceof Object && 'message' in error ? String(error.message) : '';
  const named = [...text.matchAll(/downhill:([\w -]+)\//g)].map(([, label]) => label!);
  return (
    named.length === 0 || named.some((label) => labels.some((own) => label === own || label.startsWith(`${own}-`)))
  );
}

export function showAdapter(report: AdapterReport | undefined): void {
  const element = byId('adapter');
  element.dataset.kind = report === undefined ? 'none' : report.cpu ? 'cpu' : 'gpu';
  setText(element, report?.name ?? 'No WebGPU');
  element.title = report?.cpu
    ? 'A CPU adapter: WebGPU runs as software on the processor. It trains correctly, but its speed says nothing about a GPU.'
    : '';
}

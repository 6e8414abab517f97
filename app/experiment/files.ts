import type { DataConfig } from '../../harness/train/config.js';
import type { Dataset, ImageFile } from '../../src/index.js';
import { byId, make, setText } from '../shell/dom.js';
import { bytes, count } from '../shell/format.js';
import { problemOf } from '../shell/problem.js';
import { assignRoles, droppedFolder, isTable, type Parts, type Roles } from './data.js';

const ROLES: Record<keyof Roles, string> = {
  images: 'images',
  labels: 'labels',
  testImages: 'test images',
  testLabels: 'test labels',
};

export interface ReadFiles {
  readonly data: Dataset | Parts;
  /** What the command line calls these files, in the folder where they lie; undefined where it does not read such. */
  readonly named: DataConfig | undefined;
}

/** The person's own files: chosen or dropped, any number of times; checked as soon as they make pairs, a table or a folder. */
export class FileChooser {
  #files: File[] = [];
  /** Of a dropped folder; then there are no files. */
  #folder: readonly ImageFile[] | undefined;
  #pending = 0;
  #obstacle = 'Choose files to train on.';
  /** The checked data, and for how many classes it was checked. */
  #data: (ReadFiles & { readonly classes: number }) | undefined;

  /**
   * @param classes How many classes the labels may have.
   * @param changed The data was read, or is gone.
   * @param dropped Files were dropped anywhere on the page.
   */
  constructor(
    private readonly classes: () => number,
    private readonly changed: (data: Dataset | Parts | undefined) => void,
    dropped: () => void,
  ) {
    const input = byId<HTMLInputElement>('files');
    input.addEventListener('change', () => {
      this.#add([...(input.files ?? [])]);
      input.value = ''; // choosing the same file again must be an event, too: it may have changed on the disk
    });
    byId('file-clear').addEventListener('click', () => {
      this.#pending++; // what is being read is not wanted any more
      this.#files = [];
      this.#folder = undefined;
      this.#show(undefined);
      this.#take(undefined, '');
      input.focus();
    });
    const drop = byId('drop');
    const holdsFiles = (event: DragEvent) => event.dataTransfer?.types.includes('Files') ?? false;
    document.addEventListener('dragover', (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault(); // else the browser leaves the page to open the file, and the run is lost
      if (event.dataTransfer) event.dataTransfer.dropEffect = 'copy';
      drop.classList.add('over');
    });
    document.addEventListener('dragleave', () => drop.classList.remove('over'));
    document.addEventListener('drop', (event) => {
      if (!holdsFiles(event)) return;
      event.preventDefault();
      drop.classList.remove('over');
      dropped();
      const folder = droppedFolder(event.dataTransfer?.items);
      if (folder) void this.#check(folder);
      else this.#add([...(event.dataTransfer?.files ?? [])]);
    });
  }

  /** The data of the files. @throws PageError, DownhillError as reading them does. */
  async data(): Promise<ReadFiles> {
    const classes = this.classes();
    if (this.#data?.classes === classes) return this.#data;
    const check = this.#pending;
    const read = await this.#read(classes);
    // Of files that were replaced meanwhile it would pass for the data of those that are shown.
    if (check === this.#pending) this.#data = { classes, ...read };
    return read;
  }

  async #read(classes: number): Promise<ReadFiles> {
    // Others may be chosen while these are read: data and name are of the same ones.
    const [files, folder] = [this.#files, this.#folder];
    const { readFiles, readImages, readTable } = await import('./read-files.js');
    if (folder) return { data: await readImages(folder), named: undefined };
    if (!isTable(files))
      return { data: await readFiles(assignRoles(files), classes), named: { kind: 'idx', folder: '.' } };
    const data = await readTable(files[0]!);
    const target = data.train.targetNames;
    return {
      data,
      named: target && { kind: 'csv', file: files[0]!.name, target, ignore: [], missing: 'refuse' },
    };
  }

  /** Why they cannot be trained on now; '' where they can. */
  get obstacle(): string {
    return this.#obstacle;
  }

  get read(): Dataset | Parts | undefined {
    return this.#data?.data;
  }

  #add(files: readonly File[]): void {
    // A file chosen again replaces the one of its name; a fifth begins a new set.
    const names = new Set(files.map(({ name }) => name));
    const kept = this.#files.filter(({ name }) => !names.has(name));
    this.#files = kept.length + files.length > 4 || isTable(files) || isTable(kept) ? [...files] : [...kept, ...files];
    this.#folder = undefined;
    void this.#check();
  }

  /** @param dropped the files of a folder, in place of those there are */
  async #check(dropped?: Promise<readonly ImageFile[]>): Promise<void> {
    const check = ++this.#pending;
    this.#data = undefined;
    this.#take(undefined, 'Reading …');
    try {
      if (dropped) {
        [this.#files, this.#folder] = [[], undefined];
        const folder = await dropped;
        if (check !== this.#pending) return;
        this.#folder = folder;
      }
      this.#show(undefined);
      if (!this.#folder && !isTable(this.#files)) this.#show(assignRoles(this.#files));
      const { data } = await this.data();
      if (check === this.#pending) this.#take(data, describe(data));
    } catch (error) {
      if (check !== this.#pending) return;
      const { message, fix } = problemOf(error);
      this.#take(undefined, `${message} ${fix}`, true);
    }
  }

  #take(data: Dataset | Parts | undefined, note: string, failed = false): void {
    if (data === undefined) this.#data = undefined;
    const element = byId('file-note');
    element.className = failed ? 'problem' : 'hint';
    setText(element, note);
    const none = this.#files.length === 0 && !this.#folder;
    this.#obstacle =
      data !== undefined
        ? ''
        : failed
          ? 'The files need a change.'
          : none
            ? 'Choose files to train on.'
            : 'Reading the files …';
    this.changed(data);
  }

  #show(roles: Roles | undefined): void {
    const roleOf = (file: File) =>
      Object.entries(roles ?? {}).find(([, other]) => other === file)?.[0] as keyof Roles | undefined;
    byId('file-list').replaceChildren(
      ...this.#files.map((file) => {
        const role = roleOf(file);
        return make(
          'li',
          {},
          make('span', { className: 'file-name' }, file.name),
          make('span', { className: 'file-role' }, `${role ? `${ROLES[role]}, ` : ''}${bytes(file.size)}`),
        );
      }),
    );
    byId('file-clear').hidden = this.#files.length === 0 && !this.#folder;
  }
}

function describe(data: Dataset | Parts): string {
  const { labels } = 'train' in data ? data.train : data;
  const one = ({ samples, features, image }: Dataset) =>
    `${count(samples)} samples of ${image ? `${image[0]} × ${image[1]} pixels` : `${count(features)} values`}`;
  const classes = labels ? ` Classes: ${labels.slice(0, 10).join(', ')}${labels.length > 10 ? ' …' : ''}.` : '';
  return 'train' in data
    ? `${one(data.train)} to train on, ${count(data.test.samples)} to test on.${classes}`
    : `${one(data)}; the last fifth is held back for testing.`;
}

/** What a built page loads, by when: at once, or once something asks for it. */
import { join } from 'node:path';
import { packageRoot } from '../common/versions.js';

type Bundler = Pick<typeof import('vite'), 'build'>;

export interface PageFile {
  /** As in dist/pages: 'index.html', 'assets/train-BTjYtPkD.js'. */
  readonly name: string;
  readonly text: string;
  /** Paths of the sources in it, from the root of the repository. */
  readonly modules: readonly string[];
  /** Names of the files that it cannot do without. */
  readonly imports: readonly string[];
}

export interface PageFiles {
  /** Before anybody does anything: the page, its styles, its script and what that imports. */
  readonly first: readonly PageFile[];
  /** Everything else that a view, a worker or a button asks for. */
  readonly later: readonly PageFile[];
  /** Of those: the file that holds a source, and what it cannot do without; the page has loaded the rest. */
  with(module: string): readonly PageFile[];
}

/** Builds the pages in memory. @param page such as 'index.html' */
export async function pageFiles({ build }: Bundler, page: string): Promise<PageFiles> {
  const root = packageRoot();
  const result = await build({
    configFile: join(root, 'vite.config.ts'),
    root: join(root, 'app'),
    mode: 'pages',
    logLevel: 'silent',
    build: { write: false },
  });
  const outputs = [result].flat().flatMap((each) => ('output' in each ? each.output : []));
  const byName = new Map(outputs.map((each) => [each.fileName, each]));
  const fileOf = (name: string): PageFile => {
    const file = byName.get(name)!;
    if (file.type === 'asset') return { name, text: file.source.toString(), modules: [], imports: [] };
    const modules = file.moduleIds.map((id) => id.replace(`${root}/`, ''));
    return { name, text: file.code, modules, imports: file.imports };
  };
  const grow = (names: Iterable<string>, next: (name: string) => readonly string[]) => {
    const all = new Set(names);
    for (const name of all) for (const other of next(name)) if (byName.has(other)) all.add(other);
    return all;
  };
  const { text } = fileOf(page);
  const named = [...text.matchAll(/(?:src|href)="\.\/(assets\/[^"]+)"/g)].map(([, name]) => name!);
  const first = grow([page, ...named], (name) => fileOf(name).imports);
  // By its text, since a worker's script and a view's styles are among no chunk's imports.
  const names = [...byName.keys()].filter((name) => name.startsWith('assets/'));
  const all = grow(first, (name) => {
    const own = fileOf(name).text;
    return names.filter((other) => own.includes(other.slice('assets/'.length)));
  });
  const later = [...all].filter((name) => !first.has(name)).map(fileOf);
  return {
    first: [...first].map(fileOf),
    later,
    with(module) {
      const holder = later.find(({ modules }) => modules.includes(module));
      if (!holder) throw new Error(`${module} is in no file that ${page} loads later`);
      return [...grow([holder.name], (name) => fileOf(name).imports)].filter((name) => !first.has(name)).map(fileOf);
    },
  };
}

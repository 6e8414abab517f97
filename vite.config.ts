import { execFileSync } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { basename, dirname, relative, resolve } from 'node:path';
import { defineConfig, minify, type Plugin, type UserConfig } from 'vite';

/*
 * `vite` serves the pages for development; `vite build --mode X` makes one of these under dist/:
 *   lib    the library, one module per source file, so that a user's bundler takes only what is used
 *   bundle the same of the entry '.' as one minified file, for pages without a bundler
 *   cli    the command line with its chart library inside, for Node
 *   pages  app/index.html, and the pages of the headless runners (app/train.html, app/compare.html, app/sweep.html)
 *   peers-node, peers-web  the libraries that benchmarks compare with (harness/peers), for Node and for Chrome;
 *          not shipped, and built for benchmarks and tests only (node harness/setup/setup.mjs --peers)
 */
const root = import.meta.dirname;

/** The commit built, with '+' where the tree has changes: for reports from machines that have dist/ and no repository. */
function builtFrom(): string {
  const git = (...args: string[]) =>
    execFileSync('git', args, { cwd: root, encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }).trim();
  try {
    return git('rev-parse', '--short=12', 'HEAD') + (git('status', '--porcelain', '--untracked-files=no') ? '+' : '');
  } catch {
    return '';
  }
}

/** The modules that package.json's `exports` names under dist/lib, each from the source of the same path. */
function libraryEntries(): Record<string, string> {
  const { exports } = JSON.parse(readFileSync(resolve(root, 'package.json'), 'utf8'));
  const modules = Object.values<{ default?: string }>(exports).flatMap(
    ({ default: file }) => /^\.\/dist\/lib\/([^*]+)\.js$/.exec(file ?? '')?.[1] ?? [],
  );
  return Object.fromEntries(modules.map((name) => [name, resolve(root, `src/${name}.ts`)]));
}

const external = [/^node:/, 'webgpu', 'playwright-core', 'playwright-core/package.json', 'vite', 'bullmq', 'ioredis'];

/** Puts files of packages beside the modules, which load them at run time. */
function besides(packages: string, paths: readonly string[]): Plugin {
  return {
    name: 'besides',
    generateBundle() {
      for (const path of paths) {
        const source = readFileSync(resolve(root, packages, path));
        this.emitFile({ type: 'asset', fileName: basename(path), source });
      }
    },
  };
}

/** The peers as modules that need nothing but what lies beside them. */
function peers(place: 'node' | 'web'): UserConfig {
  const node = place === 'node';
  const conditions = ['onnxruntime-web-use-extern-wasm', 'module', 'import', 'default'];
  return {
    publicDir: false,
    base: './',
    plugins: [
      besides('harness/peers/node_modules', [
        ...['', '-simd', '-threaded-simd'].map(
          (kind) => `@tensorflow/tfjs-backend-wasm/wasm-out/tfjs-backend-wasm${kind}.wasm`,
        ),
        // The loaders stay files of their own: ONNX Runtime starts them again as its worker threads.
        ...['', '.asyncify'].flatMap((kind) =>
          ['mjs', 'wasm'].map((suffix) => `onnxruntime-web/dist/ort-wasm-simd-threaded${kind}.${suffix}`),
        ),
      ]),
    ],
    resolve: { conditions },
    // TensorFlow.js' WebAssembly loader is a CommonJS module, which Node's ES modules lack a name for.
    ...(node && { ssr: { noExternal: true, resolve: { conditions } }, define: { __dirname: 'import.meta.dirname' } }),
    build: {
      ssr: node,
      outDir: `dist/peers/${place}`,
      emptyOutDir: true,
      target: node ? 'node20' : 'es2022',
      minify: false,
      modulePreload: false,
      chunkSizeWarningLimit: 10_000,
      rollupOptions: {
        input: Object.fromEntries(
          ['tfjs', 'jax', 'ort', 'host-tfjs'].map((name) => [name, resolve(root, `harness/peers/${name}.ts`)]),
        ),
        preserveEntrySignatures: 'strict',
        output: {
          entryFileNames: '[name].js',
          chunkFileNames: '[name]-[hash].js',
        },
      },
    },
  };
}

/** Minifies the chunk of other people's code, whose stacks nobody reads; ours stays legible in reports of bugs. */
const minifyVendor: Plugin = {
  name: 'minify-vendor',
  renderChunk: async (code, chunk) =>
    chunk.name === 'vendor' ? (await minify(chunk.fileName, code, { module: true })).code : null,
};

/** Kernels are in dist/lib already: the command line takes them from there, or the package would have them once more. */
const kernelsOfTheLibrary: Plugin = {
  name: 'kernels-of-the-library',
  enforce: 'pre',
  resolveId(source, importer) {
    if (!importer || !/^\.{1,2}\/.*\.gen\.js$/.test(source)) return undefined;
    const path = relative(resolve(root, 'src'), resolve(dirname(importer), source));
    if (!/^shaders\/.+\//.test(path)) return undefined;
    // As it stands: every module of the command line lies in dist/cli.
    return { id: `../lib/${path}`, external: 'absolute' };
  },
};

/** A page and its workers are built apart; kernels have names without a hash, so that both load the same files. */
function kernelsOnce({ facadeModuleId }: { readonly facadeModuleId?: string | null }): string {
  const path = relative(resolve(root, 'src/shaders'), facadeModuleId ?? '');
  const isKernel = !path.startsWith('..') && path.endsWith('.gen.ts');
  return isKernel ? `assets/kernels/${path.replace(/\.gen\.ts$/, '')}.js` : 'assets/[name]-[hash].js';
}

export default defineConfig(({ mode }): UserConfig => {
  if (mode === 'peers-node' || mode === 'peers-web') return peers(mode === 'peers-node' ? 'node' : 'web');
  if (mode === 'lib') {
    return {
      publicDir: false,
      build: {
        outDir: 'dist/lib',
        emptyOutDir: true,
        target: 'es2022',
        minify: false,
        lib: {
          entry: libraryEntries(),
          formats: ['es'],
        },
        rollupOptions: {
          external,
          output: {
            preserveModules: true,
            preserveModulesRoot: 'src',
            // What is built into an entry (Papa Parse into ./csv, Protobuf-ES into ./onnx): npm leaves folders named node_modules out of packages.
            entryFileNames: ({ name }) => `${name.replace(/^.*node_modules\//, 'vendor/')}.js`,
          },
        },
      },
    };
  }
  if (mode === 'bundle') {
    return {
      publicDir: false,
      build: {
        outDir: 'dist/bundle',
        emptyOutDir: true,
        target: 'es2022',
        modulePreload: false,
        // Every kernel of every kind of adapter: what a page without a bundler cannot load later.
        chunkSizeWarningLimit: 2_000,
        rollupOptions: {
          input: { downhill: resolve(root, 'src/index.ts') },
          preserveEntrySignatures: 'strict',
          output: { entryFileNames: '[name].js', codeSplitting: false },
        },
      },
    };
  }
  if (mode === 'cli') {
    return {
      publicDir: false,
      // What draws PNG files. The npm package leaves these two out: they weigh more than all the rest of it.
      plugins: [
        minifyVendor,
        kernelsOfTheLibrary,
        besides('node_modules', ['@resvg/resvg-wasm/index_bg.wasm', 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf']),
      ],
      define: { __BUILT_FROM__: JSON.stringify(builtFrom()) },
      ssr: { noExternal: true },
      build: {
        ssr: true,
        outDir: 'dist/cli',
        emptyOutDir: true,
        target: 'node20',
        minify: false,
        rollupOptions: {
          external,
          input: {
            cli: resolve(root, 'harness/cli.ts'),
            downhill: resolve(root, 'harness/main.ts'),
            probe: resolve(root, 'harness/probe.ts'),
            'bench-worker': resolve(root, 'harness/bench/hosts/worker.ts'),
          },
          output: {
            entryFileNames: '[name].js',
            chunkFileNames: '[name].js',
            codeSplitting: { groups: [{ name: 'vendor', test: /node_modules/ }] },
          },
        },
      },
    };
  }
  return {
    root: 'app',
    base: './',
    // As modules, which load the kernels of a device only where they have one.
    worker: { format: 'es', rollupOptions: { output: { chunkFileNames: kernelsOnce } } },
    build: {
      outDir: resolve(root, 'dist/pages'),
      // Every browser with WebGPU preloads modules by itself.
      modulePreload: { polyfill: false },
      emptyOutDir: true,
      target: 'es2022',
      rollupOptions: {
        output: { chunkFileNames: kernelsOnce },
        input: ['index', 'train', 'compare', 'sweep', 'bench', 'bench-case'].map((page) =>
          resolve(root, `app/${page}.html`),
        ),
      },
    },
  };
});

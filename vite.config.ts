import { resolve } from 'node:path';
import { defineConfig } from 'vite';

/*
 * `vite` serves the pages for development; `vite build --mode X` makes one of three things under dist/:
 *   lib    the library, one module per source file, so that a user's bundler takes only what is used
 *   cli    the command line with its chart library inside, for Node
 *   pages  app/index.html and app/train.html (the headless runner's page)
 */
const root = import.meta.dirname;
const external = [/^node:/, 'webgpu', 'playwright-core', 'playwright-core/package.json', 'vite'];

export default defineConfig(({ mode }) => {
  if (mode === 'lib') {
    return {
      publicDir: false,
      build: {
        outDir: 'dist/lib',
        emptyOutDir: true,
        target: 'es2022',
        minify: false,
        lib: {
          entry: {
            index: resolve(root, 'src/index.ts'),
            'node/index': resolve(root, 'src/node/index.ts'),
            'kernels/index': resolve(root, 'src/kernels/index.ts'),
            'reference/index': resolve(root, 'src/reference/index.ts'),
          },
          formats: ['es'],
        },
        rollupOptions: {
          external,
          output: { preserveModules: true, preserveModulesRoot: 'src', entryFileNames: '[name].js' },
        },
      },
    };
  }
  if (mode === 'cli') {
    return {
      publicDir: false,
      ssr: { noExternal: true },
      build: {
        ssr: true,
        outDir: 'dist/cli',
        emptyOutDir: true,
        target: 'node20',
        minify: false,
        rollupOptions: {
          external,
          input: { cli: resolve(root, 'harness/cli.ts'), probe: resolve(root, 'harness/probe.ts') },
          output: { entryFileNames: '[name].js', chunkFileNames: '[name].js' },
        },
      },
    };
  }
  return {
    root: 'app',
    base: './',
    build: {
      outDir: resolve(root, 'dist/pages'),
      emptyOutDir: true,
      target: 'es2022',
      rollupOptions: { input: [resolve(root, 'app/index.html'), resolve(root, 'app/train.html')] },
    },
  };
});

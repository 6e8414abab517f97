import { join } from 'node:path';
import { build } from 'vite';

/** Compiles a program of this folder into `folder`: so it starts at once. @returns its path */
export async function buildProgram(name: string, folder: string): Promise<string> {
  const file = `${name}.mjs`;
  await build({
    configFile: false,
    logLevel: 'error',
    build: {
      ssr: true,
      outDir: folder,
      rollupOptions: { input: join(import.meta.dirname, `${name}.ts`), output: { entryFileNames: file } },
    },
  });
  return join(folder, file);
}

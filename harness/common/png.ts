/**
 * SVG pictures as PNG, drawn without a browser by resvg, compiled to WebAssembly. resvg and the font come to 3.2 MB: a build puts
 * them beside its modules, so that the command runs from dist/ alone; the npm package has neither, and takes them from packages
 * that a user installs. Import this file only to draw.
 */
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { basename } from 'node:path';
import { fileURLToPath } from 'node:url';
import { initWasm, Resvg } from '@resvg/resvg-wasm';

const WASM = '@resvg/resvg-wasm/index_bg.wasm';
const FONT = 'dejavu-fonts-ttf/ttf/DejaVuSans.ttf';

/** Pixels of the picture for one of the SVG: sharp on dense screens, and where a document scales it. */
export const SCALE = 2;

let ready: Promise<Uint8Array> | undefined;

/** @returns the bytes of a PNG file, SCALE times as large as the SVG. */
export async function svgPng(svg: string): Promise<Uint8Array> {
  ready ??= start();
  const bytes = await ready;
  const resvg = new Resvg(svg, {
    fitTo: { mode: 'zoom', value: SCALE },
    font: {
      loadSystemFonts: false,
      fontBuffers: [bytes],
      defaultFontFamily: 'DejaVu Sans',
      sansSerifFamily: 'DejaVu Sans',
    },
  });
  try {
    const image = resvg.render();
    try {
      return image.asPng();
    } finally {
      image.free();
    }
  } finally {
    resvg.free();
  }
}

async function start(): Promise<Uint8Array> {
  await initWasm(readFileSync(find(WASM)!));
  return readFileSync(find(FONT)!);
}

/** Whether svgPng finds what it needs. */
export const canDraw = (): boolean => find(WASM) !== undefined && find(FONT) !== undefined;

function find(path: string): string | undefined {
  const beside = fileURLToPath(new URL(basename(path), import.meta.url));
  if (existsSync(beside)) return beside;
  try {
    return createRequire(import.meta.url).resolve(path);
  } catch {
    return undefined;
  }
}

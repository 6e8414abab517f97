/**
 * Where this machine may keep a WebGPU adapter for Dawn, in the order they are tried.
 *
 * Dawn reaches Metal on macOS and D3D12 on Windows by itself. On Linux it needs two things, which often are not
 * there together: Vulkan's loader (`libvulkan.so.1`) and a driver, named by a small JSON manifest. Chrome ships both
 * in its own folder (SwiftShader, a CPU driver), so an installed browser is enough to run on.
 *
 * Nothing here loads anything: these functions only look at folders and the environment.
 */
import { existsSync, readdirSync } from 'node:fs';
import { homedir } from 'node:os';
import { delimiter, join } from 'node:path';

/** One way to an adapter. */
export interface Driver {
  /**
   * - `user`: the manifests the user named in VK_DRIVER_FILES; when set, the only one.
   * - `system`: whatever the system offers (hardware first; Dawn sorts).
   * - `lavapipe`: Mesa's CPU driver. - `swiftshader`: Chrome's CPU driver.
   */
  readonly kind: 'user' | 'system' | 'lavapipe' | 'swiftshader';
  /** The Vulkan manifest to set, where the driver is not the system's own choice. */
  readonly manifest?: string;
}

/** What the search depends on; tests pass a made-up one. */
export interface Machine {
  readonly platform: string;
  readonly env: Readonly<Record<string, string | undefined>>;
  readonly home: string;
  /** Prefix of absolute folders: '' on a real machine. */
  readonly root: string;
}

export const thisMachine = (): Machine => ({ platform: process.platform, env: process.env, home: homedir(), root: '' });

/** The variables by which a user tells Vulkan's loader which drivers to use; the second is its older name. */
export const DRIVER_VARIABLES = ['VK_DRIVER_FILES', 'VK_ICD_FILENAMES'] as const;

/** Folders of Chrome and its relatives on Linux: packages of Debian, Fedora, Arch, vendors, snap. */
const LINUX_BROWSER_FOLDERS = [
  '/opt/google/chrome',
  '/opt/google/chrome-beta',
  '/opt/google/chrome-unstable',
  '/usr/lib/chromium',
  '/usr/lib64/chromium',
  '/usr/lib/chromium-browser',
  '/usr/lib64/chromium-browser',
  '/opt/microsoft/msedge',
  '/opt/brave.com/brave',
  '/snap/chromium/current/usr/lib/chromium-browser',
];

const LOADER = 'libvulkan.so.1';
const SWIFTSHADER = 'vk_swiftshader_icd.json';
const LAVAPIPE = /^lvp_icd.*\.json$/;

function list(folder: string): string[] {
  try {
    return readdirSync(folder).sort();
  } catch {
    return []; // absent or unreadable: nothing to find there
  }
}

/** An environment variable; an empty one counts as unset. */
const setting = (machine: Machine, name: string): string | undefined => machine.env[name] || undefined;

/** The folders in which Vulkan's loader looks for manifests on Linux. */
function manifestFolders(machine: Machine): string[] {
  const { home, root } = machine;
  const configs = [
    setting(machine, 'XDG_CONFIG_HOME') ?? join(home, '.config'),
    ...(setting(machine, 'XDG_CONFIG_DIRS') ?? join(root, '/etc/xdg')).split(delimiter),
    join(root, '/etc'),
  ];
  const data = [
    setting(machine, 'XDG_DATA_HOME') ?? join(home, '.local/share'),
    ...(setting(machine, 'XDG_DATA_DIRS')?.split(delimiter) ?? []),
    join(root, '/usr/local/share'),
    join(root, '/usr/share'),
    join(root, '/run/opengl-driver/share'), // NixOS
  ];
  return [...new Set([...configs, ...data].map((folder) => join(folder, 'vulkan/icd.d')))];
}

/** The folder in which Playwright keeps the browsers it downloads, on this platform. */
export function playwrightFolder(machine: Machine = thisMachine()): string {
  const chosen = setting(machine, 'PLAYWRIGHT_BROWSERS_PATH');
  if (chosen && chosen !== '0') return chosen;
  if (machine.platform === 'darwin') return join(machine.home, 'Library/Caches/ms-playwright');
  if (machine.platform === 'win32') {
    return join(setting(machine, 'LOCALAPPDATA') ?? join(machine.home, 'AppData/Local'), 'ms-playwright');
  }
  return join(setting(machine, 'XDG_CACHE_HOME') ?? join(machine.home, '.cache'), 'ms-playwright');
}

/** Every folder that may hold a browser's own SwiftShader and loader; Playwright's newest browser first. */
function browserFolders(machine: Machine): string[] {
  const cache = playwrightFolder(machine);
  const revision = (name: string) => Number(name.match(/(\d+)$/)?.[1] ?? 0);
  const downloads = list(cache)
    .filter((name) => name.startsWith('chromium'))
    .sort((a, b) => revision(b) - revision(a))
    .flatMap((name) => list(join(cache, name)).map((inner) => join(cache, name, inner)));
  const installed =
    machine.platform === 'linux' ? LINUX_BROWSER_FOLDERS.map((folder) => join(machine.root, folder)) : [];
  return [...downloads, ...installed];
}

/** Every way to an adapter on this machine, in the order to try them. */
export function findDrivers(machine: Machine = thisMachine()): Driver[] {
  // Dawn has no other backend than Metal on macOS; there is always one, and nothing to name.
  if (machine.platform === 'darwin') return [{ kind: 'system' }];
  if (DRIVER_VARIABLES.some((name) => machine.env[name])) return [{ kind: 'user' }];

  const swiftshader = browserFolders(machine)
    .map((folder) => join(folder, SWIFTSHADER))
    .filter((manifest) => existsSync(manifest))
    .map((manifest): Driver => ({ kind: 'swiftshader', manifest }));
  if (machine.platform !== 'linux') return [{ kind: 'system' }, ...swiftshader];

  const manifests = manifestFolders(machine).flatMap((folder) =>
    list(folder)
      .filter((name) => name.endsWith('.json'))
      .map((name) => ({ name, path: join(folder, name) })),
  );
  const lavapipe = manifests
    .filter(({ name }) => LAVAPIPE.test(name))
    .map(({ path }): Driver => ({ kind: 'lavapipe', manifest: path }));
  // Without any manifest the system has no driver. Asking it all the same would fail with a page of Dawn's warnings.
  const anything = manifests.length > 0 || Boolean(machine.env.VK_ADD_DRIVER_FILES);
  return [...(anything ? [{ kind: 'system' } as const] : []), ...lavapipe, ...swiftshader];
}

/** Vulkan loaders that browsers bring along, for a Linux machine that has none of its own. */
export function findLoaders(machine: Machine = thisMachine()): string[] {
  if (machine.platform !== 'linux') return [];
  return browserFolders(machine)
    .map((folder) => join(folder, LOADER))
    .filter((path) => existsSync(path));
}

// Mesa's lavapipe: a CPU driver for Vulkan, several times faster here than the SwiftShader that Chrome brings along.
import { readdirSync, readFileSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import path from 'node:path';
import { aptInstall, asRoot, mayUseApt, run, say } from './system.mjs';

const MANIFESTS = '/usr/share/vulkan/icd.d';
const PACKAGES = ['mesa-vulkan-drivers', 'libvulkan1'];
const APT_SOURCES = '/etc/apt/sources.list.d';

/**
 * Installs lavapipe where that is possible without asking (Debian, Ubuntu; root or sudo without a password).
 * @returns {{ ok: boolean, lines: string[] }} lines: what was done, or what to do by hand
 */
export function installLavapipe() {
  if (process.platform !== 'linux') {
    return { ok: false, lines: ['lavapipe is for Linux; macOS and Windows bring an adapter of their own.'] };
  }
  const there = manifest();
  if (there && !mesaTooOld()) return { ok: true, lines: [`lavapipe is already installed: ${there}`] };
  if (!mayUseApt())
    return { ok: false, lines: ['It cannot be installed from here. Run one of these yourself:', ...byHand()] };

  // Debian 12's own Mesa (22.3) is too old for Dawn; its backports have one that works.
  const suite = codename() === 'bookworm' ? 'bookworm-backports' : undefined;
  if (suite && !addBackports(suite)) {
    return { ok: false, lines: [`The suite ${suite} could not be added to ${APT_SOURCES}.`] };
  }
  say('lavapipe', `installing ${PACKAGES.join(' and ')}${suite ? ` from ${suite}` : ''} (apt-get install)`);
  const install = aptInstall(PACKAGES, suite);
  const installed = manifest();
  if (!install.ok || !installed) return { ok: false, lines: ['apt-get could not install it:', ...install.tail] };
  return { ok: true, lines: [`lavapipe is installed: ${installed}`] };
}

/** @returns {string | undefined} lavapipe's manifest */
function manifest() {
  try {
    const name = readdirSync(MANIFESTS).find((file) => /^lvp_icd.*\.json$/.test(file));
    return name && path.join(MANIFESTS, name);
  } catch {
    return undefined;
  }
}

/** Whether Debian's Mesa is one that Dawn refuses; false where there is no dpkg to ask. */
function mesaTooOld() {
  // biome-ignore lint/suspicious/noTemplateCurlyInString: dpkg's own placeholder
  const version = run('dpkg-query', ['-W', '-f', '${Version}', 'mesa-vulkan-drivers']);
  return version.ok && run('dpkg', ['--compare-versions', version.stdout, 'lt', '24']).ok;
}

function codename() {
  return /^VERSION_CODENAME="?(\w+)/m.exec(readFileSync('/etc/os-release', 'utf8'))?.[1];
}

/**
 * The backports suite of a Debian mirror, in the words of the machine's own sources, so that it comes from the mirror
 * (or the proxy, or the snapshot) this machine already uses.
 * @param {string} text a sources file, of either form
 * @param {string} suite such as bookworm-backports
 * @returns {string | undefined} the text of a file to add, in the same form; undefined when `text` has no such source
 */
export function backportsSource(text, suite) {
  const base = suite.replace(/-backports$/, '');
  if (/^Suites:/m.test(text)) {
    const stanza = text.split(/\n\s*\n/).find((block) => new RegExp(`^Suites:.*\\b${base}(\\s|$)`, 'm').test(block));
    return stanza && `${stanza.trim().replace(/^Suites:.*$/m, `Suites: ${suite}`)}\n`;
  }
  const line = text.split('\n').find((entry) => new RegExp(`^deb\\s.*\\s${base}\\s`).test(entry));
  return line && `${line.replace(` ${base} `, ` ${suite} `)}\n`;
}

/** @param {string} suite @returns {boolean} whether apt knows the suite now */
function addBackports(suite) {
  const read = (/** @type {string} */ file) => ({ file, text: readFileSync(file, 'utf8') });
  const names = readdirSync(APT_SOURCES).filter((name) => /\.(list|sources)$/.test(name));
  const sources = names.map((name) => read(path.join(APT_SOURCES, name)));
  try {
    sources.push(read('/etc/apt/sources.list'));
  } catch {
    // newer systems have only the folder
  }
  if (sources.some(({ text }) => new RegExp(`^[^#]*\\b${suite}\\b`, 'm').test(text))) return true;
  for (const { file, text } of sources) {
    const added = backportsSource(text, suite);
    if (!added) continue;
    const target = path.join(APT_SOURCES, `${suite}${file.endsWith('.sources') ? '.sources' : '.list'}`);
    say('lavapipe', `adding ${target}, because this system's own Mesa is too old for WebGPU`);
    const draft = path.join(tmpdir(), `${suite}-${process.pid}`);
    writeFileSync(draft, added);
    return asRoot('install', ['-m', '644', draft, target]).ok;
  }
  return false;
}

function byHand() {
  return [
    'Debian, Ubuntu:  apt-get install mesa-vulkan-drivers libvulkan1   (Debian 12: from bookworm-backports)',
    'Fedora:          dnf install mesa-vulkan-drivers vulkan-loader',
    'Arch:            pacman -S vulkan-swrast vulkan-icd-loader',
    'openSUSE:        zypper install libvulkan_lvp libvulkan1',
  ];
}

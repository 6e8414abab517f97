// What a command line needs of the machine.

/**
 * `train` and `bench` need the place where they run, `bench` also the libraries it compares with. The doctor looks at what
 * is there, and help needs nothing: neither may install a driver or a browser.
 * @param {string[]} args
 * @returns {{ adapter: boolean, browser: boolean, peers?: boolean }}
 */
export function needs(args) {
  const help = args.includes('--help') || args.includes('-h');
  if (help || !['train', 'bench'].includes(args[0] ?? '')) return { adapter: false, browser: false };
  const places = (value(args, 'in') ?? 'node').split(',');
  const has = (/** @type {string} */ place) => places.includes(place);
  if (args[0] === 'train') return { adapter: !has('chrome'), browser: has('chrome') };
  const peers = value(args, 'peers') !== 'none';
  // A browser elsewhere, or the reader's own, needs none here.
  if (value(args, 'connect') || args.includes('--page')) return { adapter: false, browser: false, peers };
  return { adapter: has('node'), browser: has('chrome'), peers };
}

/** The value of a flag's last use: the one that counts. @param {string[]} args @param {string} name */
function value(args, name) {
  const flag = `--${name}`;
  const values = args.flatMap((arg, i) => {
    if (arg === flag) return args[i + 1] ?? '';
    return arg.startsWith(`${flag}=`) ? arg.slice(flag.length + 1) : [];
  });
  return values.pop();
}

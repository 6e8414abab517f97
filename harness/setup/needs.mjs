// What a command line needs of the machine.

/**
 * Only `train` needs anything. The doctor looks at what is there, and help needs nothing: neither may install a driver
 * or a browser.
 * @param {string[]} args
 * @returns {{ adapter: boolean, browser: boolean }}
 */
export function needs(args) {
  const trains = args[0] === 'train' && !args.includes('--help') && !args.includes('-h');
  const inChrome = place(args) === 'chrome';
  return { adapter: trains && !inChrome, browser: trains && inChrome };
}

/** The value of the last --in: the one that counts. @param {string[]} args */
function place(args) {
  const values = args.flatMap((arg, i) => {
    if (arg === '--in') return args[i + 1] ?? '';
    return arg.startsWith('--in=') ? arg.slice('--in='.length) : [];
  });
  return values.pop();
}

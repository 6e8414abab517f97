/** dist/cli/downhill.js: the command line on a machine that has nothing but dist/, where no set-up can run. */
import { main } from './cli.js';

process.exitCode = await main(process.argv.slice(2));

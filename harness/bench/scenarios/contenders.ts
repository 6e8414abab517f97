/** What scenarios share in asking the peers. */
import { DownhillError } from '../../../src/index.js';
import type { BenchConfig, Contender, Environment, Peer, Runner } from '../contract.js';
import { loadPeer, PEERS, type PeerTask } from '../peers.js';

/** The chosen peers that do `task`. */
export const peersDoing = (task: PeerTask, { peers }: Pick<BenchConfig, 'peers'>): string[] =>
  peers.filter((name) => PEERS[name]!.tasks.includes(task));

/** The chosen peers that do `task`, as contenders; `open` makes a runner of a peer that was loaded. */
export function peerContenders(
  task: PeerTask,
  config: BenchConfig,
  environment: Environment,
  open: (peer: Peer) => Promise<Runner>,
): Contender[] {
  return peersDoing(task, config).map((name) => ({
    name,
    async open() {
      const { notQuick } = PEERS[name]!;
      if (config.quick && notQuick?.place === environment.place) {
        throw new DownhillError('PEER-UNAVAILABLE', `left out of quick runs: ${notQuick.why}`, 'Run without --quick.');
      }
      return open(await loadPeer(name, environment));
    },
  }));
}

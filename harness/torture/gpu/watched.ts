/** What nobody takes care of while a campaign runs is a failure of it, wherever it runs. */
import type { DeviceCampaign, DeviceContext, Place } from './place.js';

/** Runs a campaign, and fails it for rejections that nobody caught and for errors of its devices outside of every scope. */
export async function runWatched(campaign: DeviceCampaign, context: DeviceContext, place: Place): Promise<void> {
  const rejected = (reason: unknown) =>
    context.fail(`An unhandled rejection: ${String((reason as Error)?.stack ?? reason)}`);
  const node = (globalThis as { process?: NodeJS.Process }).process?.versions?.node ? process : undefined;
  const inPage = (event: PromiseRejectionEvent) => {
    event.preventDefault();
    rejected(event.reason);
  };
  const requestDevice: Place['requestDevice'] = async (heard = context.fail) => {
    const device = await place.requestDevice();
    device.addEventListener('uncapturederror', (event) => {
      event.preventDefault();
      heard(`An error outside of every scope: ${event.error.message}`);
    });
    return device;
  };
  if (node) node.on('unhandledRejection', rejected);
  else globalThis.addEventListener('unhandledrejection', inPage);
  try {
    await campaign.run(context, { ...place, requestDevice });
  } finally {
    if (node) node.off('unhandledRejection', rejected);
    else globalThis.removeEventListener('unhandledrejection', inPage);
  }
}

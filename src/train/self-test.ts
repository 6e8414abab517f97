export interface SelfTestResult {
  readonly name: string;
  readonly ok: boolean;
  readonly detail: string;
}
export async function selfTest(_device: GPUDevice): Promise<SelfTestResult[]> {
  return [];
}

/** What the programs in this folder have in common: a scenario by name, its answer printed as JSON. */
import { tmpdir } from 'node:os';
import { openNativeKernel } from '../../../src/native/index.ts';
import { Fixture } from '../fixture.ts';
import { hostOf } from '../linux-host.ts';

export type Scenario = (f: Fixture) => unknown;

/** A fixture on the native kernel of this thread. */
export function nativeFixture(): Fixture {
  const kernel = openNativeKernel();
  return new Fixture(kernel, tmpdir(), hostOf(kernel));
}

/** Runs the scenario that the command line names, prints its answer and ends the process. */
export async function run(scenarios: Readonly<Record<string, Scenario>>): Promise<void> {
  const scenario = scenarios[process.argv[2]!];
  if (scenario === undefined) throw new Error(`there is no scenario '${process.argv[2]}'`);
  const f = nativeFixture();
  await f.kernel.settled();
  const answer = await scenario(f);
  await f.dispose();
  process.stdout.write(`${JSON.stringify(answer)}\n`, () => process.exit(0));
}

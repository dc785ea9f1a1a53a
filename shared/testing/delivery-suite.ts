import { batches } from './delivery/batches.ts'
import { deadLetters } from './delivery/dead-letters.ts'
import { delivers } from './delivery/delivers.ts'
import { fails } from './delivery/fails.ts'
import { orders } from './delivery/orders.ts'
import { repeated } from './delivery/repeated.ts'
import { replays } from './delivery/replays.ts'
import { type Ground, onStage } from './delivery/stage.ts'
import { versions } from './delivery/versions.ts'

export type { Ground } from './delivery/stage.ts'

/** `test` of node:test, or anything that takes a name and a function as it does. */
export type TestFunction = (name: string, run: () => Promise<void>) => unknown

export interface DeliverySuiteOptions {
  readonly test: TestFunction
  /** The transport's name, put before every sentence. */
  readonly name: string
  /** A fresh, empty event server for one test. */
  readonly open: () => Promise<Ground>
  /** Sentences that honestly do not hold on this transport, each with the reason. They are not run. */
  readonly differences?: Readonly<Record<string, string>>
}

const SCENES = {
  ...delivers,
  ...repeated,
  ...fails,
  ...batches,
  ...deadLetters,
  ...orders,
  ...replays,
  ...versions,
}

/** Every sentence of the delivery contract that holds on every transport. */
export const deliverySentences: readonly string[] = Object.keys(SCENES)

/**
 * Declares one test for every sentence of the delivery contract.
 *
 * @throws when a difference names a sentence that does not exist.
 */
export function deliverySuite({ test, name, open, differences = {} }: DeliverySuiteOptions): void {
  for (const sentence of Object.keys(differences)) {
    if (!Object.hasOwn(SCENES, sentence))
      throw new Error(`no sentence of the delivery suite reads: ${sentence}`)
  }
  for (const [sentence, play] of Object.entries(SCENES)) {
    if (!Object.hasOwn(differences, sentence)) test(`${name}: ${sentence}`, () => onStage(open, play))
  }
}

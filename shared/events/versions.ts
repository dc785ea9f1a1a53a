import { EventVersionUnknownError } from './errors.ts'
import type { EventContract } from './event.ts'

type Step = (data: unknown) => unknown

/** From the first to the latest. */
export function versionsOf({ latest }: Pick<EventContract, 'latest'>): number[] {
  return Array.from({ length: latest }, (_, before) => before + 1)
}

/** What the schema, the snapshot and the payloads of a version are kept under: `user.created.v2`. */
export function versionName({ name }: Pick<EventContract, 'name'>, version: number): string {
  return `${name}.v${version}`
}

/**
 * Takes data from one declared version to another, one step at a time, up or down.
 *
 * @throws {EventVersionUnknownError} `EVENT_VERSION_UNKNOWN` when `from` is newer than the contract.
 */
export function convert(contract: EventContract, data: unknown, from: number, to: number): unknown {
  if (from > contract.latest) throw new EventVersionUnknownError(contract.name, from, contract.latest)
  let current = data
  for (let version = from + 1; version <= to; version++) current = (contract.upcast[version] as Step)(current)
  for (let version = from - 1; version >= to; version--)
    current = (contract.downcast[version] as Step)(current)
  return current
}

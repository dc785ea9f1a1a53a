import { extname, resolve } from 'node:path'
import { findContractProblems } from '../../events/contract-folder.ts'
import { contracts as sharedContracts } from '../../events/contracts/all.ts'
import type { EventContract } from '../../events/event.ts'

/** Where the shared contracts and their snapshots are; undefined where the package is installed, which was checked before it was packed. */
export function sharedContractsFolder(): string | undefined {
  return extname(import.meta.filename) === '.ts'
    ? resolve(import.meta.dirname, '../../events/contracts')
    : undefined
}

/**
 * The shared contracts by the snapshots beside them; those that only this service registers by its `contracts/`.
 *
 * @param update takes over what changed compatibly.
 */
export function findServiceContractProblems(
  root: string,
  registered: readonly EventContract[],
  update = false,
): string[] {
  const shared: readonly EventContract[] = sharedContracts
  const own = registered.filter((contract) => !shared.includes(contract))
  const folder = sharedContractsFolder()
  return [
    ...(folder ? findContractProblems({ folder, contracts: shared, update }) : []),
    ...findContractProblems({ folder: resolve(root, 'contracts'), contracts: own, update }),
  ]
}

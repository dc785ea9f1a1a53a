import { dirname, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type EventContract, contracts as sharedContracts } from '@kiln/shared'
import { findContractProblems } from '@kiln/shared/contract-folder'
import { registry } from '../../src/infrastructure/events.ts'

/** Where the shared contracts and their snapshots are; undefined where the package is installed, which was checked before it was packed. */
export function sharedContractsFolder(): string | undefined {
  const entry = fileURLToPath(import.meta.resolve('@kiln/shared'))
  return entry.endsWith('.ts') ? resolve(dirname(entry), 'events/contracts') : undefined
}

/** The shared contracts by the snapshots beside them; those that only this service registers by `contracts/`. */
export function findServiceContractProblems(root: string, update = false): string[] {
  const registered: readonly EventContract[] = registry.contracts
  const shared: readonly EventContract[] = sharedContracts
  const own = registered.filter((contract) => !shared.includes(contract))
  const folder = sharedContractsFolder()
  return [
    ...(folder ? findContractProblems({ folder, contracts: shared, update }) : []),
    ...findContractProblems({ folder: resolve(root, 'contracts'), contracts: own, update }),
  ]
}

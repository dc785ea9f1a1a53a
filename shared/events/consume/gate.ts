import { DependencyError } from '../errors.ts'

const MAX_PAUSE_MS = 30_000

export interface GateOptions {
  readonly failuresInRow: number
  readonly firstPauseMs: number
  readonly isDependencyError: (error: unknown) => boolean
  /** Called when the gate closes and when it opens. */
  readonly changed: (closed: boolean) => void
  /** Called when a probe may start. */
  readonly probe: () => void
}

/**
 * Holds a subscription back while something it depends on is down: then one event at a time probes, and no
 * failure counts against an event.
 */
export class DependencyGate {
  readonly #options: GateOptions
  readonly #failed = new Set<string>()
  #timer: ReturnType<typeof setTimeout> | undefined
  #pauseMs: number
  #mayProbe = false
  closed = false

  constructor(options: GateOptions) {
    this.#options = options
    this.#pauseMs = options.firstPauseMs
  }

  /** Whether a delivery may start while `running` others run. */
  admits(running: number): boolean {
    return !this.closed || (this.#mayProbe && running === 0)
  }

  started(): void {
    this.#mayProbe = false
  }

  succeeded(): void {
    if (this.#failed.size > 0) this.#failed.clear()
    if (this.closed) this.#open()
  }

  /** True when the failure is not the event's fault and spends no attempt. */
  failed(origin: string, error: unknown): boolean {
    if (this.closed) {
      this.#waitLonger()
      return true
    }
    if (!this.isDependency(error)) {
      this.#failed.add(origin)
      if (this.#failed.size < this.#options.failuresInRow) return false
    }
    this.closed = true
    this.#options.changed(true)
    this.#wait()
    return true
  }

  /** A probe said nothing about the dependency: try another event soon. */
  undecided(): void {
    if (this.closed && !this.#mayProbe && this.#timer === undefined) this.#wait()
  }

  isDependency(error: unknown): boolean {
    if (error instanceof DependencyError || this.#options.isDependencyError(error)) return true
    // Cockatiel marks its error so that copies of the package recognise each other's.
    return typeof error === 'object' && error !== null && 'isBrokenCircuitError' in error
  }

  stop(): void {
    clearTimeout(this.#timer)
  }

  #open(): void {
    this.closed = false
    this.#pauseMs = this.#options.firstPauseMs
    clearTimeout(this.#timer)
    this.#options.changed(false)
  }

  #waitLonger(): void {
    if (this.#timer !== undefined) return
    this.#pauseMs = Math.min(MAX_PAUSE_MS, this.#pauseMs * 2)
    this.#wait()
  }

  #wait(): void {
    clearTimeout(this.#timer)
    this.#timer = setTimeout(() => {
      this.#timer = undefined
      this.#mayProbe = true
      this.#options.probe()
    }, this.#pauseMs)
  }
}

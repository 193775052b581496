import { FaultBook } from "./alert/fault-book.ts";
import type { LearningOptions } from "./alert/learning.ts";
import { Neighbours } from "./alert/neighbours.ts";
import type {
  Alert,
  BlockId,
  BlockOutcomes,
  CellBelief,
  CellSearch,
  Command,
  CommandResult,
  LearningReport,
  PipelineEvent,
  SensorId,
  SensorMessage,
  Site,
} from "./model.ts";
import { BlockPipeline, type PipelineOptions } from "./pipeline.ts";

/** Learning mode, and the blocks that it is for; null: all. */
export interface LearningBlocks extends LearningOptions {
  readonly blocks: readonly BlockId[] | null;
}

/**
 * All pipelines of a site: one a block. Routes messages by block (those of sensors at a border to the block beyond it too), and hands
 * on what each block heard loudest, so that one phone is one alert; holds no other state, so that blocks can be spread over machines by routing their topics.
 */
export class Blocks {
  readonly site: Site;
  /** Alerts that no block's windows show. */
  readonly faults: FaultBook;
  private readonly neighbours: Neighbours;
  /** By sensor: the pipelines that hear it, its own block's first. */
  private readonly hearing = new Map<SensorId, readonly BlockPipeline[]>();
  private readonly pipelines: ReadonlyMap<BlockId, BlockPipeline>;

  constructor(options: Omit<PipelineOptions, "block" | "learning"> & { readonly learning?: LearningBlocks }) {
    this.site = options.site;
    this.faults = new FaultBook(options.site.id);
    // The budget is the site's; every block gets its share.
    const falseAlarmsPerDay = options.falseAlarmsPerDay / Math.max(1, options.site.blocks.length);
    this.neighbours = new Neighbours(options.site, (block) => this.of(block).references);
    // The only block of a site has nobody to listen to it.
    const alone = options.site.blocks.length < 2;
    const { learning, ...rest } = options;
    const each = { ...rest, falseAlarmsPerDay, ...(alone ? {} : { neighbours: this.neighbours }) };
    const learns = (block: BlockId) => (learning?.blocks?.includes(block) === false ? null : (learning ?? null));
    this.pipelines = new Map(
      options.site.blocks.map((b) => [b.id, new BlockPipeline({ ...each, block: b.id, learning: learns(b.id) })]),
    );
    for (const { id, block } of options.site.sensors) {
      const others = [...this.pipelines.values()].filter((p) => p.references.has(id));
      this.hearing.set(id, [this.of(block), ...others]);
    }
  }

  /** Hands a decoded message to its block. Judging waits for `tick`. */
  offer(message: SensorMessage, nowMs: number): void {
    switch (message.kind) {
      case "readings":
        for (const pipeline of this.listeners(message.batch)) pipeline.offer(message.batch, nowMs);
        break;
      case "birth":
        for (const pipeline of this.listeners(message.birth)) pipeline.birth(message.birth);
        break;
      case "state":
        for (const pipeline of this.listeners(message.state)) pipeline.state(message.state);
        break;
      case "scan":
        this.of(message.scan.block).scan(message.scan);
        break;
      case "presence":
        this.of(message.presence.block).presence(message.presence);
        break;
      case "health":
        this.of(message.health.block).vitals(message.health);
        break;
    }
  }

  /** Judges what is ready in every block. */
  tick(nowMs: number): PipelineEvent[] {
    const events: PipelineEvent[] = [];
    for (const pipeline of this.pipelines.values()) for (const event of pipeline.tick(nowMs)) events.push(event);
    events.push(...this.faults.take());
    return events;
  }

  /** Judges everything filed: the end of a trace. */
  flush(): PipelineEvent[] {
    const events: PipelineEvent[] = [];
    const flush = () => {
      for (const pipeline of this.pipelines.values()) for (const event of pipeline.flush()) events.push(event);
    };
    flush();
    // Now that all have told what they heard, the rest is decided.
    this.neighbours.close();
    flush();
    events.push(...this.faults.take());
    return events;
  }

  /** The pipelines in the order of the site file; the live service judges them one at a time. */
  all(): Iterable<BlockPipeline> {
    return this.pipelines.values();
  }

  openAlerts(): Alert[] {
    return [...[...this.pipelines.values()].flatMap((p) => p.openAlerts()), ...this.faults.openAlerts()];
  }

  /** Everything there is to say without judging: what commands and conflicts brought. */
  take(): PipelineEvent[] {
    return [...[...this.pipelines.values()].flatMap((p) => p.take()), ...this.faults.take()];
  }

  command(command: Command, nowMs: number): CommandResult {
    for (const pipeline of this.pipelines.values()) {
      if (pipeline.has(command.alert)) return pipeline.command(command, nowMs);
    }
    return this.faults.command(command, nowMs);
  }

  /** A cell was searched by hand; false: the site has no such cell. */
  search(search: CellSearch, nowMs: number): boolean {
    for (const pipeline of this.pipelines.values()) if (pipeline.search(search, nowMs)) return true;
    return false;
  }

  /** Cells of all blocks by the probability that a phone is kept there, at most `limit` of each block. */
  searchList(nowMs: number, limit: number): CellBelief[] {
    const all = [...this.pipelines.values()].flatMap((p) => p.searchList(nowMs, limit));
    return all.sort((a, b) => b.pKept - a.pKept || (a.cell < b.cell ? -1 : 1));
  }

  /** The precision reached in each block, by recorded outcomes. */
  outcomes(nowMs: number): BlockOutcomes[] {
    return [...this.pipelines.values()].map((p) => p.outcomes(nowMs));
  }

  /** What the learning mode of each block counted, and whether it is on at `nowMs`. */
  learning(nowMs: number): LearningReport[] {
    return [...this.pipelines.values()].map((p) => p.learningReport(nowMs));
  }

  snapshot(): unknown {
    const blocks = Object.fromEntries([...this.pipelines].map(([id, p]) => [id, p.snapshot()]));
    return { blocks, faults: this.faults.snapshot(), neighbours: this.neighbours.snapshot() };
  }

  restore(snapshot: unknown): void {
    const { blocks, faults, neighbours } = snapshot as {
      blocks: Record<BlockId, unknown>;
      faults: unknown;
      neighbours: unknown;
    };
    for (const [id, state] of Object.entries(blocks)) this.pipelines.get(id)?.restore(state);
    this.faults.restore(faults);
    this.neighbours.restore(neighbours);
  }

  /** The pipeline of a sensor's block, and those that listen to it as a reference. */
  private listeners({ block, sensor }: { block: BlockId; sensor: SensorId }): readonly BlockPipeline[] {
    return this.hearing.get(sensor) ?? [this.of(block)];
  }

  private of(block: BlockId): BlockPipeline {
    const pipeline = this.pipelines.get(block);
    if (!pipeline) throw new Error(`no pipeline for block ${block}: the decoder lets only the site's blocks through`);
    return pipeline;
  }
}

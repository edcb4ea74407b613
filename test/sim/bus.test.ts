import { VirtualClock } from '../../supervisors/virtual-clock.ts';
import { busContract } from '../contract/bus.ts';
import { type MemoryBus, MemoryHub } from '../support/memory-bus.ts';
import { pauseOn, settleOn } from '../support/virtual-time.ts';
import { SimNetwork } from './world/network.ts';
import { SimProcess } from './world/process.ts';
import { Random } from './world/random.ts';

busContract('simulated network', async () => {
  const clock = new VirtualClock();
  const network = new SimNetwork(clock, new Random(1), { latencyMinMs: 1, latencyMaxMs: 5 });
  let start: () => void = () => undefined;
  return {
    connect: async () => network.connect(new SimProcess(clock)),
    settle: (promise) => settleOn(clock, promise),
    cut: () => {
      start = network.servers.stop('server');
      return pauseOn(clock, 100);
    },
    heal: () => {
      start();
      return pauseOn(clock, 100);
    },
    close: async () => {},
  };
});

busContract('memory', async () => {
  const clock = new VirtualClock();
  const hub = new MemoryHub(clock);
  const buses: MemoryBus[] = [];
  const switched = async (connected: boolean): Promise<void> => {
    for (const bus of buses) bus.setConnected(connected);
    await pauseOn(clock, 100);
  };
  return {
    connect: async () => {
      const bus = hub.connect();
      buses.push(bus);
      return bus;
    },
    settle: (promise) => settleOn(clock, promise),
    cut: () => switched(false),
    heal: () => switched(true),
    close: async () => {},
  };
});

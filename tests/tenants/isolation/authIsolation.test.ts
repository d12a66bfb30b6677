import { sweepArea } from '@/tests/helpers/isolation/sweepArea';

sweepArea('auth');

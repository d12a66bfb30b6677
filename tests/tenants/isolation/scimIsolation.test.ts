import { sweepArea } from '@/tests/helpers/isolation/sweepArea';

sweepArea('scim');

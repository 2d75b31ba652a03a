//! Wall time of one event of a stream, from the chunk to what is told, beside a loop by hand.

use criterion::{Criterion, criterion_group, criterion_main};
use taskward_benches::contenders;

fn stream(criterion: &mut Criterion) {
    let mut group = criterion.benchmark_group("stream");
    for contender in contenders().into_iter().filter(|one| one.group == "stream") {
        let mut once = (contender.prepare)();
        group.bench_function(contender.name, |bencher| bencher.iter(&mut once));
    }
    group.finish();
}

criterion_group!(benches, stream);
criterion_main!(benches);

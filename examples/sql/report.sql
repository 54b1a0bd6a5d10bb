-- Tons by country, of the harbours that say; and a table of numbers that the engine makes itself.
select country, count(*) as harbours, sum(tons) as tons from harbours where tons > 0 group by country order by tons desc;
create table numbers as
    with recursive counter(n) as (select 1 union all select n + 1 from counter where n < 20000)
    select n, n * n % 9973 as residue, printf('%05d', n) as name from counter;
create index by_residue on numbers(residue);
select a.residue, count(*) as pairs, max(b.name) as last, round(avg(a.n * 1.0 / b.n), 6) as ratio
    from numbers a join numbers b on a.residue = b.residue and a.n < b.n
    group by a.residue order by pairs desc, a.residue limit 5;
select name, rank() over (order by ships desc) as rank from harbours order by name;
vacuum into '/out/result.db';

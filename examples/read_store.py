"""Read what `hoopoe annotate CARD --output OUT` wrote: with pandas, with DuckDB, and as Arrow tables.

python examples/read_store.py OUT
"""

import sys

import duckdb

import detector as hp


def main(folder: str) -> None:
    store = hp.Store(folder)

    # Arrow tables become pandas' without a copy where they can
    events = store.events.to_pandas()
    print(f"{len(events)} independent events, {events['deployment_id'].nunique()} cameras")
    print(
        events.groupby("display_name")["count"]
        .agg(["size", "max"])
        .rename(columns={"size": "events", "max": "at once"})
    )

    # DuckDB queries the Parquet files where they lie, however large they are
    database = duckdb.connect()
    decisions = store.folder / "decisions"
    print(
        database.sql(
            f"""
            SELECT deployment_id, display_name, count(*) AS boxes, round(avg(score), 2) AS score
            FROM '{decisions}/detections.parquet'
            JOIN '{decisions}/media.parquet' USING (media_id)
            WHERE NOT suppressed
            GROUP BY ALL ORDER BY boxes DESC
            """
        )
    )

    # and any Arrow table by its name
    media = store.media
    [(blank,)] = database.sql("SELECT count(*) FROM media WHERE blank").fetchall()
    print(f"{blank} of {media.num_rows} files are blank")


if __name__ == "__main__":
    main(sys.argv[1])

-- Ground and air
-- Surface positions beside airborne ones, and those that say neither. An aircraft that took off or landed counts in both.
SELECT
    CASE WHEN on_ground THEN 'on the ground' WHEN NOT on_ground THEN 'in the air' END AS place,
    count(DISTINCT icao24) AS aircraft,
    CAST(100 * count(DISTINCT icao24) AS DOUBLE) / (SELECT count(DISTINCT icao24) FROM flights) AS aircraft_percent,
    count(*) AS observations,
    CAST(100 * count(*) AS DOUBLE) / sum(count(*)) OVER () AS observations_percent,
    avg(velocity_kmh) AS mean_speed_kmh,
    median(velocity_kmh) AS median_speed_kmh,
    avg(altitude_meters) AS mean_altitude_meters,
    count(*) - count(altitude_meters) AS observations_without_altitude,
    count(*) - count(velocity_kmh) AS observations_without_speed
FROM flights
GROUP BY CASE WHEN on_ground THEN 'on the ground' WHEN NOT on_ground THEN 'in the air' END
ORDER BY place NULLS LAST
